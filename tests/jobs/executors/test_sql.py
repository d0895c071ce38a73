"""SQL jobs, on a SQLite file of the tenant."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from django.utils.translation import override

from datasources.target import Allowance, ConnectionTarget
from jobs.executors.base import ExecutorError
from jobs.states import ReasonCode
from tests.jobs.executors.contexts import run


@pytest.fixture
def shop(settings, tmp_path):
    settings.PORTAL_SQLITE_ROOTS = [tmp_path / "files"]
    path = tmp_path / "files" / "acme" / "shop.sqlite3"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        database.executemany("INSERT INTO goods VALUES (?, ?)", [(1, "tea"), (2, "coffee"), (3, "cake")])
    with override("en"):
        yield path


def target_of(path="shop.sqlite3", *, is_read_only=False, **fields):
    return ConnectionTarget(
        key="k",
        tenant="acme",
        slug="shop",
        kind="sqlite",
        params={"path": path},
        password="",
        is_read_only=is_read_only,
        **fields,
    )


def execute(sql, tmp_path, *, is_read_only=False, path="shop.sqlite3", timeout=None, **changes):
    target = target_of(path, is_read_only=is_read_only, max_affected_rows=changes.pop("cap", None))
    run_params, writes = changes.pop("run_params", {}), changes.pop("writes", None)
    return run(
        "sql",
        {"datasource": "shop", "sql": sql, **changes},
        tmp_path,
        datasource=lambda slug: target,
        run_params=run_params,
        timeout=timeout,
        writes=writes,
    )


def names(path):
    with sqlite3.connect(path) as database:
        return [row[0] for row in database.execute("SELECT name FROM goods ORDER BY id")]


def test_statements_run_in_order_and_the_last_rows_are_kept(shop, tmp_path):
    outcome, log = execute("INSERT INTO goods VALUES (4, 'nougat'); SELECT id, name FROM goods WHERE id > 2;", tmp_path)
    assert outcome.result["rows"] == [[3, "cake"], [4, "nougat"]]
    assert outcome.result["columns"] == ["id", "name"]
    assert "1 row was changed." in log
    assert "2 rows came back." in log
    assert names(shop)[-1] == "nougat"


def test_failing_statement_undoes_all(shop, tmp_path):
    outcome, _log = execute("INSERT INTO goods VALUES (4, 'nougat');\n\nINSERT INTO goods VALUES (5, 'tea');", tmp_path)
    assert (outcome.exit_code, outcome.reason_code) == (1, ReasonCode.BUSINESS)
    assert outcome.reason.startswith("Line 3")
    assert names(shop) == ["tea", "coffee", "cake"]


def test_parameters_are_bound_not_pasted(shop, tmp_path):
    hostile = "tea'; DROP TABLE goods; --"
    outcome, _log = execute("SELECT id FROM goods WHERE name = :name", tmp_path, run_params={"name": hostile})
    assert outcome.result["rows"] == []
    assert len(names(shop)) == 3


def test_single_row_becomes_outputs(shop, tmp_path):
    outcome, _log = execute("SELECT count(*) AS goods, max(name) AS last FROM goods", tmp_path)
    assert outcome.outputs == {"row_count": "1", "goods": "3", "last": "tea"}


def test_rows_beyond_the_cap_are_left_out(shop, tmp_path):
    outcome, log = execute("SELECT id FROM goods", tmp_path, max_rows=2)
    assert (len(outcome.result["rows"]), outcome.result["truncated"]) == (2, True)
    assert "the rest was left out" in log


def test_rows_can_mean_a_business_failure(shop, tmp_path):
    outcome, _log = execute("SELECT id FROM goods WHERE id > 1", tmp_path, on_rows="business_failure")
    assert (outcome.exit_code, outcome.reason) == (1, "2 rows came back where there should be none.")
    outcome, _log = execute("SELECT id FROM goods WHERE id > 9", tmp_path, on_rows="business_failure")
    assert outcome.exit_code == 0


def test_read_only_datasource_is_not_written(shop, tmp_path):
    outcome, _log = execute("DELETE FROM goods", tmp_path, is_read_only=True)
    assert outcome.exit_code == 1
    assert len(names(shop)) == 3


def test_syntax_error_is_the_scripts_own_fault(shop, tmp_path):
    outcome, _log = execute("SELEKT 1", tmp_path)
    assert outcome.exit_code == 1


def test_missing_file_is_technical(shop, tmp_path):
    outcome, _log = execute("SELECT 1", tmp_path, path="nowhere.sqlite3")
    assert (outcome.exit_code, outcome.reason_code) == (2, ReasonCode.CONNECTION)


def test_comment_alone_is_no_script(shop, tmp_path):
    with pytest.raises(ExecutorError, match="no statement"):
        execute("-- nothing to do", tmp_path)


def test_endless_query_is_ended_by_cancel(shop, tmp_path):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    target = target_of()
    outcome, _log = run(
        "sql",
        {"datasource": "shop", "sql": endless},
        tmp_path,
        datasource=lambda slug: target,
        on_cancel=lambda callback: threading.Timer(0.3, callback).start(),
        deadline=time.monotonic() + 10,
    )
    assert outcome.end == "cancelled"


def test_endless_query_is_ended_by_the_timeout(shop, tmp_path):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    target = target_of()
    outcome, _log = run(
        "sql",
        {"datasource": "shop", "sql": endless},
        tmp_path,
        datasource=lambda slug: target,
        deadline=time.monotonic() + 0.5,
    )
    assert outcome.end == "timeout"


class Gate:
    """What a second person said: `allowed`, once; `asked` is what was asked."""

    def __init__(self, *allowed):
        self.allowed, self.asked = list(allowed), []

    def spend(self, slug, sql):
        return Allowance(max_affected=self.allowed.pop()) if self.allowed else None

    def ask(self, slug, sql, affected, reason):
        self.asked.append((slug, sql, affected))


def test_a_rehearsal_says_what_would_change_and_changes_nothing(shop, tmp_path):
    sql = "DELETE FROM goods WHERE id > 1; INSERT INTO goods VALUES (9, 'pie') RETURNING id"
    outcome, log = execute(sql, tmp_path, dry_run=True, cap=1)
    assert (outcome.exit_code, outcome.outputs["affected_rows"]) == (0, "3")
    assert "2 rows were changed." in log
    assert "This was a rehearsal" in log
    assert len(names(shop)) == 3


def test_what_can_not_be_undone_is_not_rehearsed(shop, tmp_path):
    outcome, _log = execute("DELETE FROM goods; COMMIT", tmp_path, dry_run=True)
    assert outcome.exit_code == 1
    assert "can't be undone" in outcome.reason
    assert len(names(shop)) == 3


@pytest.mark.parametrize(("cap", "own"), [(2, None), (None, 2), (2, 1000), (1000, 2)])
def test_too_many_changes_are_undone_and_asked_for(shop, tmp_path, cap, own):
    gate = Gate()
    outcome, _log = execute("DELETE FROM goods", tmp_path, cap=cap, max_affected_rows=own, writes=gate)
    assert outcome.exit_code == 1
    assert "3 rows would be changed, and at most 2 may be" in outcome.reason
    assert "A second person can approve it" in outcome.reason
    assert gate.asked == [("shop", "DELETE FROM goods", 3)]
    assert len(names(shop)) == 3


def test_an_approved_change_is_made_once(shop, tmp_path):
    gate = Gate(3)
    outcome, log = execute("DELETE FROM goods", tmp_path, cap=0, writes=gate)
    assert (outcome.exit_code, outcome.outputs) == (0, {"affected_rows": "3"})
    assert "A second person has approved this change." in log
    assert names(shop) == []


def test_an_approval_allows_as_many_rows_as_it_says(shop, tmp_path):
    outcome, _log = execute("DELETE FROM goods", tmp_path, cap=0, writes=Gate(2))
    assert outcome.exit_code == 1
    assert len(names(shop)) == 3


def test_what_can_not_be_counted_needs_a_second_person(shop, tmp_path):
    gate = Gate()
    outcome, _log = execute("DROP TABLE goods", tmp_path, cap=1000, writes=gate)
    assert outcome.exit_code == 1
    assert gate.asked == [("shop", "DROP TABLE goods", None)]
    assert len(names(shop)) == 3
    assert execute("DROP TABLE goods", tmp_path, cap=1000, writes=Gate(None))[0].exit_code == 0


def test_within_the_limit_nobody_is_asked(shop, tmp_path):
    gate = Gate()
    assert execute("DELETE FROM goods WHERE id = 1", tmp_path, cap=1, writes=gate)[0].exit_code == 0
    assert (gate.asked, names(shop)) == ([], ["coffee", "cake"])


def test_a_job_without_a_time_limit_is_stopped_by_the_installations(shop, tmp_path, settings):
    settings.PORTAL_SQL_TIMEOUT_SECONDS = 0.3
    endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
    outcome, _log = execute(endless, tmp_path)
    assert (outcome.end, outcome.reason_code) == ("timeout", ReasonCode.TIMEOUT)
