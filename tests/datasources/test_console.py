"""The query console on real databases: it reads, explains, rehearses, and changes only what was rehearsed."""

from __future__ import annotations

import hashlib
import resource
import threading
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from datasources import approvals, console, console_links, retention
from datasources.models import QueryRecord, WriteApproval
from datasources.query import open_session
from datasources.states import QueryMode
from tests.cast import make_cast
from tests.datasources.conftest import target
from tests.datasources.consoles import HEAVY, TEN_MILLION, question, source_of
from tests.servers import wait_for

pytestmark = pytest.mark.django_db
READ, PLAN, REHEARSE, WRITE = QueryMode.READ, QueryMode.PLAN, QueryMode.REHEARSE, QueryMode.WRITE
ADD_THREE = "insert into items values (3, 'rice'); insert into items values (4, 'salt'); delete from items where id = 1"


@pytest.fixture
def cast():
    return make_cast("acme")


@pytest.fixture
def source(cast, any_target):
    return source_of(cast.tenant, any_target)


@pytest.fixture
def small(cast, sqlite_target):
    """On SQLite alone: what does not hang on the database."""
    return source_of(cast.tenant, sqlite_target)


def names(any_target):
    with open_session(any_target, timeout=10, read_only=True) as session:
        rows = session.execute("select name from items order by id", max_rows=100, max_bytes=10_000).rows
    return [name for (name,) in rows]


def test_each_statement_has_its_result_with_types_and_null(cast, source):
    asked = question(source, "select id, name from items order by id;\nselect null as gone, 'x' as word")
    answer = console.ask(asked, user=cast.editor)
    assert answer.problem == ""
    first, second = answer.parts
    assert (first.result.rows, first.result.types) == ([[1, "tea"], [2, "milk"]], ["integer", "text"])
    assert (second.result.rows, second.result.types, second.statement.line) == ([[None, "x"]], ["", "text"], 2)


def test_values_are_bound_and_never_pasted(cast, source):
    hostile = {"name": "tea'; drop table items; --"}
    answer = console.ask(question(source, "select id from items where name = :name", values=hostile), user=cast.editor)
    assert (answer.problem, answer.parts[0].result.rows) == ("", [])
    assert "no parameter has that name" in console.ask(question(source, "select :day"), user=cast.editor).problem


@pytest.mark.parametrize("sql", ["delete from items", "select 1; drop table items", "update items set name = 'x'"])
def test_reading_changes_nothing_and_says_how_a_change_is_made(cast, source, any_target, sql):
    answer = console.ask(question(source, sql), user=cast.editor)
    assert "Only SELECT is allowed" in answer.problem
    assert "rehearse a statement that changes data" in answer.notes[0]
    assert names(any_target) == ["tea", "milk"]


def test_a_plan_is_shown_and_nothing_else_is_explained(cast, source, any_target):
    answer = console.ask(
        question(source, "select * from items where id = :id", PLAN, values={"id": 1}), user=cast.editor
    )
    assert answer.problem == ""
    assert answer.parts[0].result.rows
    for sql in ("delete from items", "analyze select 1", "explain select 1"):
        assert console.ask(question(source, sql, PLAN), user=cast.editor).problem
    assert names(any_target) == ["tea", "milk"]


def test_a_rehearsal_counts_and_undoes(cast, source, any_target):
    answer = console.ask(question(source, ADD_THREE, REHEARSE), user=cast.editor)
    assert (answer.problem, answer.affected, bool(answer.rehearsed)) == ("", 3, True)
    assert names(any_target) == ["tea", "milk"]


def test_a_change_needs_a_rehearsal_of_the_very_same(cast, source, any_target):
    asked = question(source, ADD_THREE, WRITE)
    assert "Rehearse the change first" in console.ask(asked, user=cast.editor).problem
    sealed = console.ask(question(source, ADD_THREE, REHEARSE), user=cast.editor).rehearsed
    others = [
        replace(asked, text=f"{ADD_THREE} or 1 = 1"),
        replace(asked, values={"day": 1}),
        replace(asked, rehearsed="x"),
    ]
    for other in others:
        given = other if other.rehearsed else replace(other, rehearsed=sealed)
        assert "Rehearse the change first" in console.ask(given, user=cast.editor).problem
    assert "Rehearse" in console.ask(replace(asked, rehearsed=sealed), user=cast.owner).problem
    assert names(any_target) == ["tea", "milk"]
    answer = console.ask(replace(asked, rehearsed=sealed), user=cast.editor)
    assert (answer.problem, answer.affected) == ("", 3)
    assert names(any_target) == ["milk", "rice", "salt"]


def test_a_change_that_fails_half_way_leaves_nothing(cast, source, any_target):
    sql = "insert into items values (3, 'rice'); insert into items values (4, 'tea')"
    answer = console.ask(question(source, sql, REHEARSE), user=cast.editor)
    assert "A rule of the database forbids this" in answer.problem
    assert (answer.rehearsed, names(any_target)) == ("", ["tea", "milk"])


def test_too_large_a_change_waits_for_a_second_person(cast, source, any_target):
    source.max_affected_rows = 1
    source.save()

    def change():
        sealed = console.ask(question(source, "delete from items", REHEARSE), user=cast.editor).rehearsed
        return console.ask(question(source, "delete from items", WRITE, rehearsed=sealed), user=cast.editor)

    stopped = change()
    assert "2 rows would be changed, and at most 1 may be" in stopped.problem
    assert "A second person was asked" in stopped.notes[0]
    assert names(any_target) == ["tea", "milk"]
    asked = WriteApproval.objects.get()
    assert (asked.affected_rows, asked.asked_by, asked.purpose) == (2, cast.editor, "query console")
    assert [list(approvals.waiting_for(who)) for who in (cast.owner, cast.editor)] == [[asked], []]
    approvals.decide(asked, actor=cast.owner, approve=True)
    assert change().problem == ""
    assert names(any_target) == []


def test_what_no_rollback_undoes_is_not_rehearsed_but_may_be_approved(cast, mysql_target):
    source = source_of(cast.tenant, mysql_target)
    sql = "create table extra (id int)"
    rehearsal = console.ask(question(source, sql, REHEARSE), user=cast.editor)
    assert "can't be undone" in rehearsal.problem
    assert "can't be rehearsed" in rehearsal.notes[0]
    answer = console.ask(question(source, sql, WRITE, rehearsed=rehearsal.rehearsed), user=cast.editor)
    assert "can't be undone" in answer.problem
    assert WriteApproval.objects.get().affected_rows is None
    read = console.ask(question(source, "select * from extra"), user=cast.editor)
    assert "doesn't exist" in read.problem


def test_a_read_only_datasource_is_never_written(cast, any_target):
    source = source_of(cast.tenant, any_target, is_read_only=True)
    for mode in (REHEARSE, WRITE):
        assert "read-only" in console.ask(question(source, "delete from items", mode), user=cast.editor).problem
    assert names(any_target) == ["tea", "milk"]


def test_ten_million_rows_take_no_more_memory_than_what_is_shown(cast, source):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = console.ask(question(source, TEN_MILLION[source.kind], max_rows=100), user=cast.editor)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB on Linux
    found = answer.parts[0].result
    assert (answer.problem, len(found.rows), found.truncated) == ("", 100, True)
    assert grown < 100 * 1024


def test_bytes_bound_all_results_together(cast, source, monkeypatch):
    monkeypatch.setattr(console, "MOST_BYTES", 5_000)
    sql = f"{TEN_MILLION[source.kind]}; {TEN_MILLION[source.kind]}"
    parts = console.ask(question(source, sql, max_rows=2000), user=cast.editor).parts
    assert [part.result.truncated for part in parts] == [True, True]
    assert sum(len(part.result.rows) for part in parts) < 400


def test_an_empty_result_and_binary_cells(cast, source):
    blob = {"postgres": "decode('00ff', 'hex')", "mysql": "unhex('00ff')", "sqlite": "x'00ff'"}[source.kind]
    answer = console.ask(question(source, f"select id from items where id > 9; select {blob} as b"), user=cast.editor)
    assert answer.parts[0].result.rows == []
    assert (answer.parts[1].result.rows, answer.parts[1].result.types) == ([["00ff"]], ["binary"])


def test_a_wrong_type_is_one_sentence_of_the_database(cast, postgres_target):
    source = source_of(cast.tenant, postgres_target)
    asked = question(source, "select name from items where id = :id", values={"id": "abc"})
    answer = console.ask(asked, user=cast.editor)
    assert "invalid input syntax for type integer" in answer.problem
    assert "\n" not in answer.problem


def test_a_long_query_is_ended_by_its_timeout(cast, source):
    answer = console.ask(question(source, HEAVY[source.kind], timeout=0.5), user=cast.editor)
    assert answer.code == "timeout"
    assert "longer than allowed" in answer.problem


@pytest.mark.parametrize("in_this_process", [True, False])
def test_stop_ends_it_in_the_database_from_any_process(cast, source, monkeypatch, in_this_process):
    monkeypatch.setattr(console, "POLL_SECONDS", 0.05)
    asked = question(source, HEAVY[source.kind], timeout=120)
    seen: list[bool] = []

    def press():
        wait_for(lambda: asked.key in console._running, "the query to run")
        if in_this_process:
            seen.append(console._running[asked.key] is not None)
            console._running[asked.key].cancel()

    def is_stopped(*args, **kwargs):
        return type("Rows", (), {"exists": lambda self: asked.key in console._running})()

    if not in_this_process:  # what the watcher asks the ledger, as if another process had written it
        monkeypatch.setattr(QueryRecord.objects, "filter", _answering(QueryRecord.objects.filter, is_stopped))
    thread = threading.Thread(target=press, daemon=True)
    thread.start()
    answer = console.ask(asked, user=cast.editor)
    thread.join(10)
    assert (answer.code, answer.problem) == ("cancelled", "The statement was cancelled.")


def _answering(real, stopped):
    def answer(*args, **kwargs):
        return stopped() if "stop_requested_at__isnull" in kwargs else real(*args, **kwargs)

    return answer


def test_stop_is_for_ones_own_running_query(cast, small):
    running = QueryRecord.objects.create(
        tenant=cast.tenant, user=cast.editor, datasource=small, text="select 1", started_at=timezone.now()
    )
    assert not console.stop(running.key, user=cast.owner)
    assert not console.stop(uuid4(), user=cast.editor)
    assert console.stop(running.key, user=cast.editor)
    running.refresh_from_db()
    assert running.stop_requested_at is not None


def test_one_person_runs_a_few_at_once(cast, small):
    for _number in range(console.MOST_AT_ONCE):
        fields = {"tenant": cast.tenant, "user": cast.editor, "datasource": small, "text": "select 1"}
        QueryRecord.objects.create(started_at=timezone.now(), **fields)
    assert "still running" in console.ask(question(small, "select 1"), user=cast.editor).problem
    assert console.ask(question(small, "select 1"), user=cast.owner).is_ok
    QueryRecord.objects.filter(user=cast.editor).update(started_at=timezone.now() - timedelta(hours=1))
    assert console.ask(question(small, "select 1"), user=cast.editor).is_ok


def test_a_datasource_that_is_away_is_one_sentence(cast, roots):
    away = target("postgres", {"host": "127.0.0.1", "port": 1, "database": "shop", "user": "reader"}, "secret")
    answer = console.ask(question(source_of(cast.tenant, away), "select 1"), user=cast.editor)
    assert "refused the connection" in answer.problem


@pytest.mark.parametrize(
    ("sql", "words"),
    [(" -- nothing", "There is no statement"), ("select 1;" * 21, "21 statements"), ("selekt 1", "Only SELECT")],
)
def test_what_is_no_query_is_one_sentence(cast, small, sql, words):
    assert words in console.ask(question(small, sql), user=cast.editor).problem


def test_who_may_not_use_the_datasource_runs_nothing(cast, small):
    for who in (cast.viewer, cast.operator, make_cast("other").owner):
        assert "may no longer use" in console.ask(question(small, "select 1"), user=who).problem
    small.is_active = False
    small.save()
    assert "switched off" in console.ask(question(small, "select 1"), user=cast.editor).problem
    assert not QueryRecord.objects.exists()


# --- remembering ----------------------------------------------------------------------------------------------------


def test_the_text_is_kept_and_the_result_never(cast, small):
    asked = question(small, "select name from items where id = :id", values={"id": 1})
    answer = console.ask(asked, user=cast.editor)
    record = QueryRecord.objects.get()
    assert (record.key, record.text, record.values) == (answer.key, asked.text, {"id": 1})
    assert (record.is_ok, record.row_count, record.problem) == (True, 1, "")
    assert record.ended_at is not None
    assert "tea" not in str(record.__dict__)
    assert console.remembered(cast.editor, str(record.key)) == record
    assert console.remembered(cast.owner, str(record.key)) is None
    assert console.remembered(cast.editor, "no key") is None


def test_a_key_that_was_used_gives_way(cast, small):
    asked = question(small, "select 1")
    first, second = (console.ask(asked, user=cast.editor) for _time in range(2))
    assert first.key != second.key
    assert QueryRecord.objects.count() == 2


def test_each_query_is_audited_without_its_values(cast, small):
    sql = f"select :word, '{'x' * 400}'"
    console.ask(question(small, sql, values={"word": "canary-value"}), user=cast.editor)
    entry = AuditEntry.objects.get(verb="datasources.query.ran")
    assert entry.actor == cast.editor
    assert entry.details["sha256"] == hashlib.sha256(sql.encode()).hexdigest()
    assert (entry.details["text"], entry.details["ok"]) == (sql[:200], True)
    assert "canary-value" not in str(entry.__dict__)


def test_a_person_keeps_so_many_queries_and_no_more(cast, small, monkeypatch):
    monkeypatch.setattr(console, "KEPT_QUERIES", 3)
    for number in range(6):
        console.ask(question(small, f"select {number}"), user=cast.editor)
    console.ask(question(small, "select 'other'"), user=cast.owner)
    own = QueryRecord.objects.filter(user=cast.editor).order_by("id").values_list("text", flat=True)
    assert list(own) == ["select 3", "select 4", "select 5"]
    assert QueryRecord.objects.filter(user=cast.owner).count() == 1


def test_old_queries_and_approvals_go_and_those_in_time_stay(cast, small, settings):
    now = timezone.now()
    console.ask(question(small, "select 1"), user=cast.editor)
    console.ask(question(small, "select 2"), user=cast.editor)
    first = QueryRecord.objects.order_by("id").first()
    QueryRecord.objects.filter(pk=first.pk if first else 0).update(
        started_at=now - timedelta(days=settings.PORTAL_QUERY_DAYS, minutes=1)
    )
    old = approvals.ask(small, approvals.Change(statement="delete"), actor=cast.editor, affected=9)
    approvals.decide(old, actor=cast.owner, approve=False)
    kept = approvals.ask(small, approvals.Change(statement="delete more"), actor=cast.editor, affected=9)
    WriteApproval.objects.filter(pk=old.pk).update(
        expires_at=now - timedelta(days=settings.PORTAL_APPROVAL_DAYS, minutes=1)
    )
    breaths: list[int] = []
    assert retention.sweep(now=now, breathe=lambda: breaths.append(1)) == 2
    assert (list(QueryRecord.objects.values_list("text", flat=True)), WriteApproval.objects.get()) == (
        ["select 2"],
        kept,
    )
    assert len(breaths) == 2


def test_who_may_decide_is_told_of_what_waits_for_them(cast, small):
    asked = approvals.ask(small, approvals.Change(statement="delete"), actor=cast.editor, affected=9)
    own = approvals.ask(small, approvals.Change(statement="drop"), actor=cast.owner, affected=9)
    nobodys = approvals.ask(small, approvals.Change(statement="update"), actor=None, affected=9)
    late = approvals.ask(small, approvals.Change(statement="insert"), actor=cast.editor, affected=9)
    WriteApproval.objects.filter(pk=late.pk).update(expires_at=timezone.now())
    assert set(approvals.waiting_for(cast.owner)) == {asked, nobodys}
    assert not approvals.waiting_for(cast.editor).exists()
    assert not approvals.waiting_for(make_cast("other").owner).exists()
    approvals.decide(asked, actor=cast.owner, approve=True)
    assert list(approvals.waiting_for(cast.owner)) == [nobodys]
    assert own.status == "pending"


def test_others_register_what_they_make_of_a_query(cast, small, monkeypatch):
    monkeypatch.setattr(console_links, "_makers", [])
    key = uuid4()
    console_links.register(lambda source, sql, values: ("Alert", f"/a/?s={source.slug}") if "1" in sql else None)
    assert console_links.links_for(small, "select 1", {}, key=key) == [("Alert", f"/a/?s=shop&query={key}")]
    assert console_links.links_for(small, "select 2", {}, key=key) == []
