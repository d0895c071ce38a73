"""SQL alerts on real databases: each condition fires and recovers; a dropped table and a dead server are told."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import psycopg2
import pymysql
import pytest

from alerts import consume
from alerts.models import AlertCheck, AlertStatus, Incident
from alerts.states import AlertState
from datasources import engines
from datasources.models import DataSource
from jobs.definitions import parse_definition, plain
from jobs.engine import execute
from jobs.engine.worker import Worker
from jobs.models import Job, JobRevision, Run
from portal.lib.encrypted import seal
from tests.alerts import rows
from tests.datasources.conftest import (  # noqa: F401  # noqa: F401
    DATABASE,
    _log_in,
    any_target,
    mysql_target,
    no_engine_is_left,
    postgres_target,
    roots,
    sqlite_target,
)
from tests.jobs.engine import rows as engine_rows

pytestmark = pytest.mark.django_db

HOURS = {
    "sqlite": "datetime('now', '-5 hours')",
    "postgres": "now() - interval '5 hours'",
    "mysql": "utc_timestamp() - interval 5 hour",
}
FRESH = {"sqlite": "datetime('now')", "postgres": "now()", "mysql": "utc_timestamp()"}
# condition, its settings, recovery, the query, what makes it bad, what makes it good
CASES = {
    "row_count": ("row_count", {"operator": ">", "threshold": 2}, None, "SELECT * FROM items",
                  "INSERT INTO items VALUES (3, 'cake')", "DELETE FROM items WHERE id = 3"),
    "recovery": ("row_count", {"operator": ">", "threshold": 2}, {"operator": "<", "threshold": 2},
                 "SELECT * FROM items", "INSERT INTO items VALUES (3, 'cake')", "DELETE FROM items WHERE id > 1"),
    "empty": ("empty", {}, None, "SELECT * FROM items WHERE id = 1",
              "DELETE FROM items WHERE id = 1", "INSERT INTO items VALUES (1, 'tea')"),
    "not_empty": ("not_empty", {}, None, "SELECT * FROM items WHERE name = 'bad'",
                  "INSERT INTO items VALUES (9, 'bad')", "DELETE FROM items WHERE id = 9"),
    "any": ("column_value", {"column": "id", "quantifier": "any", "operator": ">", "threshold": "5"}, None,
            "SELECT id FROM items ORDER BY id", "INSERT INTO items VALUES (9, 'x')", "DELETE FROM items WHERE id = 9"),
    "all": ("column_value", {"column": "id", "quantifier": "all", "operator": "<", "threshold": "2"}, None,
            "SELECT id FROM items", "DELETE FROM items WHERE id = 2", "INSERT INTO items VALUES (2, 'milk')"),
    "first": ("column_value", {"column": "name", "quantifier": "first", "operator": "=", "threshold": "tea",
              "compare_as": "text"}, None, "SELECT name FROM items ORDER BY id DESC",
              "DELETE FROM items WHERE id = 2", "INSERT INTO items VALUES (2, 'milk')"),
    "last": ("column_value", {"column": "name", "quantifier": "last", "operator": "contains", "threshold": "bad",
             "compare_as": "text"}, None, "SELECT name FROM items ORDER BY id",
             "INSERT INTO items VALUES (7, 'so bad')", "DELETE FROM items WHERE id = 7"),
    "sum": ("column_aggregate", {"column": "id", "function": "sum", "operator": ">", "threshold": "10"}, None,
            "SELECT id FROM items", "INSERT INTO items VALUES (9, 'x')", "DELETE FROM items WHERE id = 9"),
    "min": ("column_aggregate", {"column": "id", "function": "min", "operator": ">", "threshold": "1"}, None,
            "SELECT id FROM items", "DELETE FROM items WHERE id = 1", "INSERT INTO items VALUES (1, 'tea')"),
    "max": ("column_aggregate", {"column": "id", "function": "max", "operator": ">", "threshold": "5"}, None,
            "SELECT id FROM items", "INSERT INTO items VALUES (9, 'x')", "DELETE FROM items WHERE id = 9"),
    "average": ("column_aggregate", {"column": "id", "function": "average", "operator": ">", "threshold": "1.5"}, None,
                "SELECT id FROM items", "INSERT INTO items VALUES (9, 'x')", "DELETE FROM items WHERE id = 9"),
    "changed": ("changed", {}, None, "SELECT * FROM items ORDER BY id", "INSERT INTO items VALUES (9, 'x')", ""),
    "compared": ("compared", {"measure": "row_count", "against": "last", "direction": "rise", "limit": "0.5"}, None,
                 "SELECT * FROM items", "INSERT INTO items VALUES (9, 'x')", ""),
    "yesterday": ("compared", {"measure": "row_count", "against": "yesterday", "limit": "0.5"}, None,
                  "SELECT * FROM items", "INSERT INTO items VALUES (9, 'x')", "DELETE FROM items WHERE id = 9"),
    "freshness": ("freshness", {"column": "at", "limit": "1h"}, None, "SELECT max(seen) AS at FROM moments",
                  "UPDATE moments SET seen = {old}", "UPDATE moments SET seen = {fresh}"),
}  # fmt: skip


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    made = Worker(name="t", queues=["default"], capacity=2)
    made.node = engine_rows.node(capabilities=made.capabilities())
    yield made
    made.runners.close()


class Shop:
    """A datasource, and SQL jobs on it."""

    def __init__(self, target, settings, worker):
        self.target, self.settings, self.worker = target, settings, worker
        job = engine_rows.job("seed")
        self.tenant = job.tenant
        self.source = DataSource(
            tenant=job.tenant, slug="shop", name="Shop", kind=target.kind, params=target.params, is_read_only=True
        )
        seal(self.source, "password_encrypted", target.password)
        self.source.save()

    def job(self, slug, sql):
        made = engine_rows.job(slug)
        content = {"name": slug, "kind": "sql", "params": {"datasource": "shop", "sql": sql}, "retry": {"max": 0}}
        JobRevision.objects.filter(job=made).update(definition=plain(parse_definition(content)))
        Job.objects.filter(pk=made.pk).update(kind="sql")
        return Job.objects.select_related("revision", "tenant").get(pk=made.pk)

    def change(self, sql):
        """By hand, past every guard."""
        words = sql.format(old=HOURS[self.target.kind], fresh=FRESH[self.target.kind])
        if not words:
            return
        if self.target.kind == "sqlite":
            path = self.settings.PORTAL_SQLITE_ROOTS[0] / "acme" / "shop.sqlite3"
            with sqlite3.connect(path) as raw:
                raw.execute(words)
            raw.close()
        elif self.target.kind == "postgres":
            with psycopg2.connect(**_log_in(self.target), dbname=DATABASE) as raw, raw.cursor() as cursor:
                cursor.execute(words)
            raw.close()
        else:
            with pymysql.connect(**_log_in(self.target), database=DATABASE, autocommit=True) as raw:
                raw.cursor().execute(words)

    def check(self, job):
        run = engine_rows.queued(job)
        execute.work(self.worker, "default")
        while consume.consume_once():
            pass
        return Run.objects.get(pk=run.pk)


@pytest.fixture
def shop(any_target, settings, worker):  # noqa: F811
    made = Shop(any_target, settings, worker)
    made.change("DROP TABLE IF EXISTS moments")
    made.change("CREATE TABLE moments (seen TIMESTAMP)")
    made.change("INSERT INTO moments VALUES ({fresh})")
    return made


@pytest.mark.parametrize("case", CASES)
def test_it_fires_and_recovers(shop, case):
    condition, params, recovery, sql, bad, good = CASES[case]
    job = shop.job(case.replace("_", "-"), sql)
    rule = rows.rule(job, condition=condition, condition_params=params, recovery_params=recovery, enabled_at=None)
    states = [_state(shop, job)]
    if case == "yesterday":  # the first check was a day ago
        for check in AlertCheck.objects.all():
            check.at -= timedelta(days=1)
            check.summary = {**(check.summary or {}), "at": check.at.isoformat()}
            check.save()
    for change in (bad, good):
        shop.change(change)
        states.append(_state(shop, job))
    first = AlertState.NO_DATA if condition == "compared" else AlertState.OK
    assert states == [first, AlertState.FIRING, AlertState.OK], rule.statuses.get().sentence


def _state(shop, job):
    run = shop.check(job)
    assert run.status == "succeeded", run.reason
    return AlertStatus.objects.get().state


def test_a_dropped_table_is_an_error_and_names_it(shop):
    job = shop.job("check", "SELECT * FROM items")
    rows.notice(rows.channel(job), alert_rule=rows.rule(job, condition="empty", condition_params={}, enabled_at=None))
    shop.check(job)
    shop.change("DROP TABLE items")
    shop.check(job)
    status = AlertStatus.objects.get()
    assert status.state == AlertState.ERROR
    assert "items" in str(status.sentence)
    assert Incident.objects.get().kind == AlertState.ERROR
    assert rows.told() == ["error"]


def test_a_datasource_that_is_away_is_one_incident(shop, settings):
    jobs = [shop.job(f"check-{number}", "SELECT * FROM items") for number in range(4)]
    for job in jobs:
        rule = rows.rule(job, job.slug, condition="empty", condition_params={}, enabled_at=None)
        rows.notice(rows.channel(job, job.slug), alert_rule=rule)
    params = dict(shop.source.params)
    away = {"path": "gone.sqlite3"} if shop.target.kind == "sqlite" else {**params, "port": 1}
    DataSource.objects.update(params=away)
    engines.forget(str(shop.source.key))
    for job in jobs:
        assert shop.check(job).reason_code == "connection"
    incident = Incident.objects.get()
    assert (incident.cause, incident.members.count()) == ("datasource:shop", 4)
    DataSource.objects.update(params=params)
    for job in jobs:
        assert shop.check(job).status == "succeeded"
    incident.refresh_from_db()
    assert incident.status == "resolved"
