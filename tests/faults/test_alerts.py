"""SQL alerts while databases, schedulers and the alerts' own process die: told once, never silent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers import Postgres
from tests.stack import wait_for

pytestmark = [
    pytest.mark.stack,
    pytest.mark.faults,
    pytest.mark.environ(
        PORTAL_SILENCE_SECONDS="8",
        PORTAL_LEASE_SECONDS="12",
        PORTAL_HEARTBEAT_SECONDS="1",
        PORTAL_SWEEP_SECONDS="1",
    ),
]
STATES = "SELECT state FROM alerts_alertstatus"


@pytest.fixture
def database() -> Iterator[Postgres]:
    """A server of the test's own, which it may stop."""
    server = Postgres()
    with closing(server.connect()) as raw:
        cursor = raw.cursor()
        cursor.execute("CREATE DATABASE shop")
    with closing(server.connect("shop")) as raw:
        raw.cursor().execute("CREATE TABLE orders (id INTEGER)")
    yield server
    server.close()


def add_alerts(stack, count: int, source: dict, **options) -> None:
    given = json.dumps(json.dumps({"count": count, "source": source, **options}))
    stack.shell(f"import json; from tests.stackalerts import add_alerts; add_alerts(**json.loads({given}))")


def of_server(server: Postgres) -> dict:
    params = {"host": "127.0.0.1", "port": server.port, "database": "shop", "user": "postgres"}
    return {"kind": "postgres", "params": params}


def of_file(stack) -> dict:
    folder = stack.folder / "files" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "shop.sqlite3")) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER)")
        shop.commit()
    return {"kind": "sqlite", "params": {"path": "shop.sqlite3"}}


def change(stack, sql: str) -> None:
    with closing(sqlite3.connect(stack.folder / "files" / "demo" / "shop.sqlite3")) as shop:
        shop.execute(sql)
        shop.commit()


def states(stack) -> list[str]:
    return [row[0] for row in stack.rows(STATES)]


def incidents(stack) -> list[tuple]:
    members = "(SELECT count(*) FROM alerts_incidentmember m WHERE m.incident_id = i.id)"
    return list(stack.rows(f"SELECT cause, kind, status, {members} FROM alerts_incident i ORDER BY id"))


def messages(stack) -> list[str]:
    quoted = "`trigger`" if stack.place.name == "mariadb" else '"trigger"'
    return [row[0] for row in stack.rows(f"SELECT {quoted} FROM alerts_notification ORDER BY id")]


def test_a_stopped_database_is_one_incident_for_all_its_alerts(stack, database):
    add_alerts(stack, 5, of_server(database))
    stack.start_worker()
    stack.start_beat()
    wait_for(lambda: stack.value("SELECT count(DISTINCT status_id) FROM alerts_alertcheck") == 5, "first verdicts")
    database.stop()
    wait_for(lambda: states(stack) == ["error"] * 5, "five errors", seconds=120)
    assert incidents(stack) == [("datasource:shop", "error", "open", 5)]
    database.revive()
    wait_for(lambda: states(stack) == ["ok"] * 5, "five recoveries", seconds=120)
    assert incidents(stack) == [("datasource:shop", "error", "resolved", 5)]
    assert messages(stack) == ["error", "recovered"]


def test_a_frozen_beat_makes_alerts_stale_in_one_incident(stack):
    add_alerts(stack, 3, of_file(stack), grace=25)
    stack.start_worker()
    stack.start_beat()
    wait_for(lambda: stack.value("SELECT count(DISTINCT status_id) FROM alerts_alertcheck") == 3, "first verdicts")
    stack.pause("beat")
    wait_for(lambda: states(stack) == ["stale"] * 3, "three stale alerts", seconds=120)
    assert incidents(stack) == [("portal:beat", "stale", "open", 3)]
    stack.resume("beat")
    wait_for(lambda: states(stack) == ["ok"] * 3, "three recoveries", seconds=120)
    assert messages(stack) == ["stale", "recovered"]


def test_without_a_worker_beat_still_says_that_no_result_came(stack):
    add_alerts(stack, 2, of_file(stack), grace=25)
    stack.start_worker()
    stack.start_beat()
    wait_for(lambda: stack.value("SELECT count(DISTINCT status_id) FROM alerts_alertcheck") == 2, "first verdicts")
    stack.kill("w1")
    wait_for(lambda: states(stack) == ["stale"] * 2, "two stale alerts", seconds=120)
    assert incidents(stack) == [("portal:workers", "stale", "open", 2)]


def test_a_process_killed_before_its_commit_leaves_the_events_to_the_next(stack):
    add_alerts(stack, 1, of_file(stack), every="2s")
    change(stack, "INSERT INTO orders VALUES (1)")
    first = stack.start_worker("w1", PORTAL_FAILPOINTS="alerts.before_commit=kill@2")
    stack.start_beat(PORTAL_FAILPOINTS="")
    wait_for(lambda: first.poll() is not None or stack.value("SELECT count(*) FROM alerts_alertcheck") > 5, "a death")
    stack.start_worker("w2")
    wait_for(lambda: states(stack) == ["firing"], "the alert")
    change(stack, "DELETE FROM orders")
    wait_for(lambda: states(stack) == ["ok"], "the recovery", seconds=90)
    assert messages(stack) == ["firing", "recovered"]
    checks = stack.value("SELECT count(*) FROM alerts_alertcheck")
    assert checks == stack.value("SELECT count(DISTINCT run_id) FROM alerts_alertcheck")


def test_a_dropped_table_is_told_and_so_is_its_return(stack):
    add_alerts(stack, 1, of_file(stack))
    stack.start_worker()
    stack.start_beat()
    wait_for(lambda: states(stack) == ["ok"] and stack.value("SELECT count(*) FROM alerts_alertcheck"), "a verdict")
    change(stack, "DROP TABLE orders")
    wait_for(lambda: states(stack) == ["error"], "the error")
    change(stack, "CREATE TABLE orders (id INTEGER)")
    wait_for(lambda: states(stack) == ["ok"], "the recovery")
    assert messages(stack) == ["error", "recovered"]
