"""Changes are counted, limited and rehearsed, on real databases."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pymysql
import pytest

from datasources.lexer import split
from datasources.query import QueryError, open_session
from datasources.tally import Limit
from tests.datasources.conftest import DATABASE

CAPS: dict[str, Any] = {"max_rows": 100, "max_bytes": 1_000_000}
INSERT = "insert into items values (3, 'rice'), (4, 'salt'), (5, 'oil')"
TRIGGER = {
    "sqlite": ["create trigger more after insert on items begin update items set name = name || '!' where id = 1; end"],
    "postgres": [
        "create or replace function more() returns trigger language plpgsql as"
        " $$ begin update items set name = name || '!' where id < 3; return null; end $$",
        "create trigger more after insert on items for each statement execute function more()",
    ],
}


def run(target, *statements, limit=None):
    with open_session(target, timeout=10, read_only=False, limit=limit) as session:
        return [session.execute(statement, **CAPS) for statement in statements]


def names(target):
    return [row[0] for row in run(target, "select name from items order by id")[0].rows]


def test_a_rehearsal_counts_each_statement_and_changes_nothing(any_target):
    update = "update items set name = concat(name, '!')" if any_target.kind == "mysql" else (
        "update items set name = name || '!'"
    )  # fmt: skip
    found = run(any_target, INSERT, "select * from items", update, "delete from items", limit=Limit(keep=False))
    assert [each.affected for each in found] == [3, 0, 5, 5]
    assert names(any_target) == ["tea", "milk"]


def test_up_to_the_limit_changes_are_kept(any_target):
    run(any_target, INSERT, limit=Limit(max_affected=3))
    assert len(names(any_target)) == 5


def test_above_the_limit_nothing_is_changed(any_target):
    with pytest.raises(QueryError, match="3 rows would be changed") as caught:
        run(any_target, INSERT, limit=Limit(max_affected=2))
    assert (caught.value.code, caught.value.category) == ("too_many_rows", "business")
    assert names(any_target) == ["tea", "milk"]


def test_the_limit_holds_for_the_whole_script(any_target):
    with pytest.raises(QueryError):
        run(any_target, INSERT, "delete from items where id = 1", limit=Limit(max_affected=3))
    assert names(any_target) == ["tea", "milk"]


def test_who_swallows_the_error_still_commits_nothing(any_target):
    with open_session(any_target, timeout=10, read_only=False, limit=Limit(max_affected=2)) as session:
        with pytest.raises(QueryError):
            session.execute(INSERT, **CAPS)
        assert session.affected == 3
    assert names(any_target) == ["tea", "milk"]


@pytest.mark.parametrize("verb", ["commit", "end"])
def test_a_commit_in_the_script_does_not_get_round_the_limit(any_target, verb):
    with pytest.raises(QueryError) as caught:
        run(any_target, INSERT, verb, limit=Limit(max_affected=5))
    assert caught.value.code == "lasting"
    assert names(any_target) == ["tea", "milk"]


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def test_what_a_trigger_changes_counts_too(request, kind):
    target = request.getfixturevalue(f"{kind}_target")
    run(target, *TRIGGER[kind])
    with pytest.raises(QueryError):
        run(target, INSERT, limit=Limit(max_affected=3))
    assert names(target) == ["tea", "milk"]


@pytest.mark.services
def test_what_a_trigger_changes_counts_in_mariadb_too(mysql_target):
    run(mysql_target, "create table other (a int) engine = innodb select 1 as a",
        "create trigger more after insert on items for each row insert into other values (new.id)")  # fmt: skip
    try:
        with pytest.raises(QueryError, match="6 rows"):
            run(mysql_target, INSERT, limit=Limit(max_affected=5))
        assert names(mysql_target) == ["tea", "milk"]
    finally:
        run(mysql_target, "drop table other")


@pytest.mark.services
@pytest.mark.parametrize(
    "sql",
    [
        "with x as (delete from items returning 1) select count(*) from x",
        "do $$ begin delete from items; end $$",
        "explain analyze delete from items",
    ],
)
def test_changes_below_another_statement_count_too(postgres_target, sql):
    with pytest.raises(QueryError, match="2 rows would be changed"):
        run(postgres_target, sql, limit=Limit(max_affected=1))
    assert names(postgres_target) == ["tea", "milk"]


@pytest.mark.services
def test_a_table_without_transactions_is_told_before_anything_runs(mysql_target):
    log_in = {name: mysql_target.params[name] for name in ("host", "port", "user")}
    with closing(pymysql.connect(**log_in, password=mysql_target.password, database=DATABASE)) as raw:
        raw.cursor().execute("create or replace table old_style (a int) engine = myisam")
    script = split("delete from items; insert into old_style values (1)", "mysql")
    with open_session(mysql_target, timeout=10, read_only=False, limit=Limit(keep=False)) as session:
        (hazard,) = session.hazards(script)
    assert (str(hazard.sort), hazard.what) == ("not_transactional", "old_style")
    assert names(mysql_target) == ["tea", "milk"]


def test_without_a_limit_nothing_is_counted(any_target):
    assert run(any_target, INSERT)[0].affected is None
