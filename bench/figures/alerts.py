"""SQL alerts: how late a thousand checks a minute are judged, and what an event costs among many rules."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from accounts.models import Tenant
from alerts import clockwork, consume
from alerts.models import AlertCheck, AlertRule, Channel, NotificationRule
from alerts.shelf import shelf
from bench.figure import Figure
from bench.place import Place, end, quantile, start_beat, start_worker, wait_for
from bench.rows import add_job, clear_schedules
from datasources.models import DataSource
from jobs import dbclock
from jobs.definitions import digest, parse_definition, plain
from jobs.models import Job, JobRevision, Run, RunEvent, Schedule
from jobs.runs import row_values

ORDER = 13
EVENTS = 300


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    yield from _checks(place, count=30 if quick else 1_000, minutes=1 if quick else 3)
    few, many = (10, 200) if quick else (10, 10_000)
    cheap, dear = _cost_of_event(few), _cost_of_event(many)
    yield Figure(
        name=f"an event of a watched job among {many:,} rules",
        value=dear,
        unit="ms",
        baseline=f"among {few} rules",
        baseline_value=cheap,
        target=1.5,
        better="lower",
        of="ratio",
    )
    clear_schedules()


# --- a thousand checks a minute ---------------------------------------------------------------------------------------


def _checks(place: Place, *, count: int, minutes: int) -> Iterator[Figure]:
    """Each alert has a SQL job of its own, once a minute, spread over the minute; a tenth of them fire each time."""
    root = place.folder / "shop"
    os.environ["PORTAL_SQLITE_ROOTS"] = str(root)
    _make_shop(root)
    first = dbclock.now().replace(microsecond=0) + timedelta(seconds=15)
    _add_alerts(count, first)
    beat, worker = start_beat(place), start_worker(place)
    last = first + timedelta(minutes=minutes)
    time.sleep((last - dbclock.now()).total_seconds())
    Schedule.objects.update(is_enabled=False, next_fire_at=None)
    ours = Run.objects.filter(job__slug__startswith="alert-")
    left = ours.filter(status__in=["queued", "running"])
    unseen = RunEvent.objects.filter(run__in=ours, processed_at=None)
    wait_for(lambda: not left.exists() and not unseen.exists(), "the last verdict", seconds=120, step=0.5)
    end(worker)
    end(beat)
    runs = ours.filter(status="succeeded")
    judged = RunEvent.objects.filter(run__in=runs, new="succeeded").values_list("processed_at", "run__scheduled_for")
    late = [(seen - due).total_seconds() for seen, due in judged.iterator() if seen is not None]
    checks = AlertCheck.objects.filter(run__in=runs).count()
    about = f"{count:,} alert checks a minute, due → verdict"
    yield Figure(name=f"{about}, p50", value=quantile(late, 0.5), unit="s")
    yield Figure(name=f"{about}, p99", value=quantile(late, 0.99), unit="s", target=2, better="lower")
    yield Figure(name="checks that were not judged", value=len(late) - checks, unit="", target=0, better="lower")


def _make_shop(root: Path) -> None:
    path = root / "bench" / "shop.sqlite3"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT)")
        shop.executemany("INSERT INTO orders (state) VALUES (?)", [("paid",), ("open",)] * 500)


def _add_alerts(count: int, first: datetime) -> None:
    like = add_job(f"like-{uuid4().hex[:8]}", "/bin/true")
    tenant = like.tenant
    DataSource.objects.create(tenant=tenant, slug="shop", name="Shop", kind="sqlite", params={"path": "shop.sqlite3"})
    channel = Channel.objects.create(
        tenant=tenant, slug="sink", name="Sink", kind="webhook", params={"url": "http://127.0.0.1:9/"}
    )
    for number in range(count):
        job = _sql_job(tenant, f"alert-{number}")
        at = first + timedelta(seconds=60 * number / count)
        times = {"anchor_at": at, "cursor_at": at - timedelta(minutes=1), "next_fire_at": at}
        Schedule.objects.create(tenant=tenant, job=job, kind="interval", expression="60s", **times)
        rule = _rule(job, threshold=0 if number % 10 == 0 else 5000)
        if number % 100 == 0:
            notice = NotificationRule.objects.create(
                tenant=tenant, name="tell", alert_rule=rule, triggers=["firing", "error"]
            )
            notice.channels.add(channel)


def _sql_job(tenant: Tenant, slug: str) -> Job:
    sql = "SELECT count(*) AS n, state FROM orders GROUP BY state"
    definition = parse_definition(
        {"name": slug, "kind": "sql", "params": {"datasource": "shop", "sql": sql}, "retry": {"max": 0}}
    )
    content = plain(definition)
    job = Job.objects.create(tenant=tenant, slug=slug, name=slug, kind="sql", params=content["params"])
    job.revision = JobRevision.objects.create(
        tenant=job.tenant, job=job, number=1, definition=content, digest=digest(definition)
    )
    job.save()
    return job


def _rule(job: Job, *, threshold: int = 0) -> AlertRule:
    return AlertRule.objects.create(
        tenant=job.tenant, slug=job.slug, name=job.slug, job=job, condition="row_count",
        condition_params={"operator": ">", "threshold": threshold}, enabled_at=dbclock.now() - timedelta(hours=1),
    )  # fmt: skip


# --- what an event costs ----------------------------------------------------------------------------------------------


def _cost_of_event(rules: int) -> float:
    """Milliseconds of a watched job's event beside so many rules: half of another job, half for many jobs by label."""
    AlertRule.objects.all().delete()
    clear_schedules()
    like = add_job(f"cost-{uuid4().hex[:8]}", "/bin/true")
    job = _sql_job(like.tenant, f"watched-{uuid4().hex[:8]}")
    clockwork.begin(_rule(job), dbclock.now())
    others = [
        AlertRule(
            tenant=like.tenant, slug=f"other-{number}", name="other", source="outcome", outcomes=["timeout"],
            job=like if number % 2 else None, enabled_at=dbclock.now(),
            selector={} if number % 2 else {"labels": [f"team={number}"]},
        )
        for number in range(rules)
    ]  # fmt: skip
    AlertRule.objects.bulk_create(others, batch_size=500)
    shelf.clear()
    _end_runs(job, 20)
    consume.consume()
    _end_runs(job, EVENTS)
    began = time.perf_counter()
    consume.consume()
    return (time.perf_counter() - began) / EVENTS * 1000


def _end_runs(job: Job, count: int) -> None:
    assert job.revision is not None
    now = dbclock.now()
    values = row_values(job, job.revision, origin="manual", now=now)
    values |= {"status": "succeeded", "started_at": now, "ended_at": now}
    values["result"] = {"columns": ["n"], "rows": [[1]], "row_count": 1, "truncated": False}
    runs = Run.objects.bulk_create([Run(**values, dedupe_key=f"manual:{uuid4()}") for _ in range(count)])
    RunEvent.objects.bulk_create([RunEvent(run=run, old="running", new="succeeded", at=now) for run in runs])
