"""The door to users' databases, on real ones."""

import threading
import time
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from datasources.drivers import DRIVERS
from datasources.query import QueryError, open_session, split
from tests.datasources.conftest import target as make_target

CAPS: dict[str, Any] = {"max_rows": 100, "max_bytes": 1_000_000}
ENDLESS = {
    "sqlite": "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
    "postgres": "select pg_sleep(30)",
    "mysql": "select sleep(30)",
}
MANY = {
    "sqlite": "with recursive c(x) as (select 1 union all select x + 1 from c where x < 300000) "
    "select x, 'some text of a row' from c",
    "postgres": "select x, repeat('text of a row ', 3) from generate_series(1, 300000) x",
    "mysql": "select seq, 'some text of a row' from seq_1_to_300000",
}
WITHOUT_END = {
    "sqlite": "with recursive c(x) as (select 1 union all select x + 1 from c) select x from c",
    "postgres": "select generate_series(1, 100000000000)",
    "mysql": "select seq from seq_1_to_100000000000",
}
MANY_TIMES = {  # what the guard lets through
    "sqlite": ENDLESS["sqlite"],
    "postgres": "select count(*) from generate_series(1, 1000000000000)",
    "mysql": "select count(*) from seq_1_to_1000000000000 where seq % 7 = 9",
}
ACTIVE = {
    "postgres": "select count(*) from pg_stat_activity where query like 'select pg_sl%' and state = 'active'",
    "mysql": "select count(*) from information_schema.processlist where info like 'select sl%'",
}


def run(target, *statements, params=None, read_only=False, timeout=10):
    with open_session(target, timeout=timeout, read_only=read_only) as session:
        return [session.execute(statement, params, **CAPS) for statement in statements]


def names(target):
    return [row[0] for row in run(target, "select name from items order by id")[0].rows]


def test_rows_come_back_with_columns(any_target):
    result = run(any_target, "select id, name from items order by id")[0]
    assert (result.columns, result.rows, result.row_count) == (["id", "name"], [[1, "tea"], [2, "milk"]], 2)
    assert not result.truncated


def test_a_script_is_one_transaction_that_is_kept(any_target):
    run(any_target, "insert into items values (3, 'rice')", "update items set name = 'oolong' where id = 1")
    assert names(any_target) == ["oolong", "milk", "rice"]


def test_a_failing_statement_undoes_the_script(any_target):
    with pytest.raises(QueryError):
        run(any_target, "insert into items values (3, 'rice')", "insert into items values (1, 'again')")
    assert names(any_target) == ["tea", "milk"]


def test_a_commit_in_the_script_keeps_what_was_before_it(any_target):
    with pytest.raises(QueryError):
        run(any_target, "begin", "insert into items values (3, 'rice')", "commit", "insert into items values (1, 'x')")
    assert names(any_target) == ["tea", "milk", "rice"]


def test_a_rollback_in_the_script_undoes_what_was_before_it(any_target):
    run(any_target, "insert into items values (3, 'rice')", "rollback", "insert into items values (4, 'salt')")
    assert names(any_target) == ["tea", "milk", "salt"]


def test_changed_rows_are_counted(any_target):
    assert run(any_target, "update items set name = name || ''" if any_target.kind != "mysql" else
               "update items set name = concat(name, 'x')")[0].row_count == 2  # fmt: skip


def test_parameters_are_bound_never_pasted(any_target):
    hostile = "x'; drop table items; --"
    result = run(any_target, "select name from items where name = :name or id = :id", params={"name": hostile, "id": 2})
    assert result[0].rows == [["milk"]]
    assert names(any_target) == ["tea", "milk"]


def test_percent_and_colons_in_text_are_only_text(any_target):
    sql = "select '100% :a %s %(b)s', name from items where name like '%il%' and id = :id"
    assert run(any_target, sql, params={"id": 2})[0].rows == [["100% :a %s %(b)s", "milk"]]
    assert run(any_target, "select '50%', '12:30', ':x'")[0].rows == [["50%", "12:30", ":x"]]


def test_a_parameter_that_was_not_given_is_named(any_target):
    with pytest.raises(QueryError, match=":missing") as caught:
        run(any_target, "select :missing")
    assert caught.value.category == "business"


@pytest.mark.parametrize(
    ("sql", "code", "category"),
    [
        ("insert into items values (1, 'x')", "constraint", "business"),
        ("insert into items values (5, null)", "constraint", "business"),
        ("selec 1", "syntax", "business"),
        ("select * from no_such_table", "syntax", "business"),
        ("select 1; select 2", "syntax", "business"),
    ],
)
def test_the_fault_of_a_statement_is_a_business_failure(any_target, sql, code, category):
    with pytest.raises(QueryError) as caught:
        run(any_target, sql)
    assert (caught.value.code, caught.value.category) == (code, category)
    assert "Traceback" not in caught.value.sentence


def test_an_error_names_its_line_in_the_script(any_target):
    script = "select 1;\n\nselect 2;\nselect *\nfrom no_such_table"
    with pytest.raises(QueryError) as caught:
        run(any_target, *split(script, any_target.kind))
    assert caught.value.line == (5 if any_target.kind == "postgres" else 4)


def test_rows_are_capped_in_bounded_memory(any_target):
    tracemalloc.start()
    with open_session(any_target, timeout=30, read_only=False) as session:
        first = session.execute(MANY[any_target.kind], max_rows=50, max_bytes=1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
        second = session.execute("select count(*) from items", **CAPS)
    tracemalloc.stop()
    assert (len(first.rows), first.row_count, first.truncated) == (50, 50, True)
    assert peak < 8_000_000
    assert second.rows == [[2]]


def test_bytes_are_capped(any_target):
    with open_session(any_target, timeout=30, read_only=False) as session:
        result = session.execute(MANY[any_target.kind], max_rows=10_000_000, max_bytes=10_000)
    assert result.truncated
    assert 100 < len(result.rows) < 600


def test_all_rows_of_a_large_result_can_be_streamed(any_target):
    with open_session(any_target, timeout=60, read_only=True) as session:
        sql = f"{MANY[any_target.kind]} limit 50000"
        result = session.execute(sql, max_rows=50_000, max_bytes=100_000_000)
    assert (result.row_count, result.truncated) == (50_000, False)


def test_a_timeout_is_technical_and_leaves_nothing_running(any_target):
    started = time.monotonic()
    with pytest.raises(QueryError) as caught:
        run(any_target, ENDLESS[any_target.kind], timeout=0.5)
    assert (caught.value.code, caught.value.category) == ("timeout", "technical")
    assert time.monotonic() - started < 10
    assert_nothing_runs(any_target)


def test_a_session_that_nobody_gave_a_time_has_the_installations(any_target, settings):
    settings.PORTAL_SQL_TIMEOUT_SECONDS = 0.5
    with pytest.raises(QueryError) as caught:
        run(any_target, ENDLESS[any_target.kind], timeout=None)
    assert caught.value.code == "timeout"
    assert_nothing_runs(any_target)
    settings.PORTAL_SQL_TIMEOUT_SECONDS = 7200
    with open_session(any_target, timeout=None, read_only=True) as session:
        assert 3600 < session._remaining() <= 7200


def test_a_database_that_does_not_keep_its_timeout_is_stopped_by_the_watchdog(any_target, monkeypatch):
    monkeypatch.setattr(type(DRIVERS.get(any_target.kind)), "set_timeout", lambda *args: None)
    started = time.monotonic()
    with pytest.raises(QueryError) as caught:
        run(any_target, ENDLESS[any_target.kind], timeout=0.5)
    assert caught.value.code == "timeout"
    assert time.monotonic() - started < 10
    monkeypatch.undo()
    assert_nothing_runs(any_target)


def test_a_connection_that_can_not_be_cancelled_is_cut(any_target, monkeypatch):
    driver = type(DRIVERS.get(any_target.kind))
    monkeypatch.setattr(driver, "set_timeout", lambda *args: None)
    monkeypatch.setattr(driver, "cancel", lambda *args: None)
    monkeypatch.setattr("datasources.query.SEVER_SECONDS", 0.5)
    with pytest.raises(QueryError) as caught:
        run(any_target, ENDLESS[any_target.kind].replace("30", "6"), timeout=0.3)
    assert caught.value.code == "timeout"
    monkeypatch.undo()


def test_a_result_without_end_is_left_after_the_cap(any_target):
    started = time.monotonic()
    with open_session(any_target, timeout=25, read_only=False) as session:
        session.execute("insert into items values (3, 'rice')", **CAPS)
        assert session.execute(WITHOUT_END[any_target.kind], **CAPS).truncated
    assert time.monotonic() - started < 10
    assert names(any_target) == ["tea", "milk", "rice"]


def test_cancel_from_another_thread_stops_the_statement(any_target):
    started = time.monotonic()
    with pytest.raises(QueryError) as caught, open_session(any_target, timeout=25, read_only=False) as session:
        threading.Timer(0.3, session.cancel).start()
        session.execute(ENDLESS[any_target.kind], **CAPS)
    assert (caught.value.code, caught.value.category) == ("cancelled", "technical")
    assert time.monotonic() - started < 10
    assert_nothing_runs(any_target)


def test_a_cancel_that_comes_just_before_the_statement_stops_it_too(any_target, monkeypatch):
    started = time.monotonic()
    with pytest.raises(QueryError) as caught, open_session(any_target, timeout=25, read_only=False) as session:
        monkeypatch.setattr(
            type(DRIVERS.get(any_target.kind)), "set_timeout", lambda *args: session.cancel()
        )  # after the last look at it, before the statement
        session.execute(ENDLESS[any_target.kind], **CAPS)
    monkeypatch.undo()
    assert caught.value.code == "cancelled"
    assert time.monotonic() - started < 10
    assert_nothing_runs(any_target)


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("end", ["timeout", "cancel"])
def test_no_backend_works_or_holds_a_transaction_after(any_target, end, read_only):
    with (
        pytest.raises(QueryError),
        open_session(any_target, timeout=0.5 if end == "timeout" else 20, read_only=read_only) as session,
    ):
        if end == "cancel":
            threading.Timer(0.3, session.cancel).start()
        if not read_only:
            session.execute("update items set name = 'spoilt' where id = 1", **CAPS)
        session.execute(MANY_TIMES[any_target.kind], **CAPS)
    assert_nothing_is_open(any_target)
    assert names(any_target) == ["tea", "milk"]


def test_a_cancelled_session_starts_nothing_more(any_target):
    with pytest.raises(QueryError) as caught, open_session(any_target, timeout=25, read_only=False) as session:
        session.execute("insert into items values (3, 'rice')", **CAPS)
        session.cancel()
        session.execute("select 1", **CAPS)
    assert caught.value.code == "cancelled"
    assert names(any_target) == ["tea", "milk"]


def test_a_read_only_datasource_answers_selects(any_target):
    read_only = replace(any_target, is_read_only=True)
    assert run(read_only, "select count(*) from items")[0].rows == [[2]]


@pytest.mark.parametrize(
    "sql", ["insert into items values (3, 'x')", "commit", "drop table items", "select 1; drop table items"]
)
def test_a_read_only_datasource_refuses_the_rest_whatever_is_asked(any_target, sql):
    with pytest.raises(QueryError) as caught:
        run(replace(any_target, is_read_only=True), sql, read_only=False)
    assert caught.value.category == "business"
    assert caught.value.code == ("syntax" if ";" in sql else "read_only")


def test_the_database_itself_refuses_writes_behind_the_guard(any_target, monkeypatch):
    monkeypatch.setattr("datasources.query.check_select", lambda sql, kind: None)
    with pytest.raises(QueryError) as caught:
        run(any_target, "insert into items values (3, 'x')", read_only=True)
    assert caught.value.category == "business"
    assert names(any_target) == ["tea", "milk"]


def test_pooled_connections_carry_nothing_over(any_target):
    if any_target.kind == "sqlite":
        run(any_target, "create temp table t (a int)")
    else:
        run(any_target, "create temporary table t (a int)")
    with pytest.raises(QueryError):
        run(any_target, "select * from t")


@pytest.mark.services
@pytest.mark.parametrize("fixture", ["postgres_target", "mysql_target"])
def test_unreachable_and_wrong_are_said_in_words(request, fixture):
    target = request.getfixturevalue(fixture)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"port": 1}, "refused"),
        ({"host": "no-such-host.invalid"}, "unknown_host"),
        ({"database": "no_such_database"}, "unknown_database"),
        ({"user": "no_such_user_at_all"}, "wrong_password"),
    ]
    for change, code in changes:
        password = target.password if "database" in change else "canary-pass"
        with pytest.raises(QueryError) as caught:
            run(replace(target, params={**target.params, **change}, password=password), "select 1")
        assert (caught.value.code, caught.value.category) == (code, "technical")
        assert "canary-pass" not in caught.value.sentence


@pytest.mark.services
def test_values_of_every_type_are_json(postgres_target):
    sql = (
        "select 1.10::numeric, '2026-01-31'::date, '2026-01-31 10:00+00'::timestamptz, '\\xdeadbeef'::bytea, "
        "true, null, '{\"a\": [1]}'::jsonb, array[1,2], 'NaN'::float, 9007199254740993, interval '90 min'"
    )
    row = run(postgres_target, sql)[0].rows[0]
    assert row[:2] == ["1.10", "2026-01-31"]
    assert row[2].startswith("2026-01-31T")
    assert row[3:] == ["deadbeef", True, None, {"a": [1]}, [1, 2], "nan", "9007199254740993", "01:30:00"]


@pytest.mark.services
def test_a_lock_in_the_way_is_technical(mysql_target):
    with open_session(mysql_target, timeout=10, read_only=False) as session:
        session.execute("update items set name = 'x' where id = 1", **CAPS)
        with pytest.raises(QueryError) as caught:
            run(mysql_target, "update items set name = 'y' where id = 1", timeout=1)
    assert caught.value.category == "technical"


def test_an_unknown_kind_is_said_in_words():
    with pytest.raises(QueryError, match="no driver") as caught:
        run(make_target("oracle", {}), "select 1")
    assert caught.value.category == "technical"


def assert_nothing_runs(target):
    if target.kind not in ACTIVE:
        return
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if run(target, ACTIVE[target.kind])[0].rows == [[0]]:
            return
        time.sleep(0.05)
    raise AssertionError("a statement is still running")


OPEN = {
    "postgres": "select count(*) from pg_stat_activity where datname = current_database() and state <> 'idle'"
    " and pid <> pg_backend_pid() and application_name like 'portal %'",
    "mysql": "select count(*) from information_schema.processlist p left join information_schema.innodb_trx t"
    " on t.trx_mysql_thread_id = p.id where p.db = database() and p.id <> connection_id()"
    " and (p.command not in ('Sleep', 'Killed') or t.trx_id is not null)",
}


def assert_nothing_is_open(target):
    """No statement and no transaction of ours, whatever the statement was."""
    if target.kind not in OPEN:
        return
    deadline = time.monotonic() + 10
    while run(target, OPEN[target.kind])[0].rows != [[0]]:
        assert time.monotonic() < deadline, "a statement or a transaction is still open"
        time.sleep(0.15)  # InnoDB shows the same list again to who asks more often than every 0.1 s


@pytest.mark.services
def test_the_guard_and_the_server_read_strings_alike(postgres_target, monkeypatch):
    hostile = r"select 'a\', name, 'b' from items order by id"
    monkeypatch.setattr("datasources.query._keeps_state", lambda sql, kind: False)
    run(postgres_target, "select set_config('standard_conforming_strings', 'off', false)")
    assert run(postgres_target, hostile, read_only=True)[0].rows[0] == ["a\\", "tea", "b"]


@pytest.mark.services
def test_mysql_reads_strings_as_the_guard_does(mysql_target, monkeypatch):
    monkeypatch.setattr("datasources.query._keeps_state", lambda sql, kind: False)
    run(mysql_target, "set session sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
    assert run(mysql_target, r"""select 'a\'b', "c" """, read_only=True)[0].rows == [["a'b", "c"]]
