"""A back-test says what the live engine sends for the same events."""

from __future__ import annotations

import random
from datetime import timedelta
from fractions import Fraction

import pytest
from django.db import transaction

from alerts import backtest, clockwork
from alerts.backtest import Question, Report
from alerts.conditions import Summary, earlier
from alerts.findings import expected_interval
from alerts.models import AlertStatus, Incident, Notification, Silence
from alerts.shelf import shelf, target_of
from alerts.states import NotificationStatus
from jobs.states import Origin, ReasonCode, RunStatus
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW

pytestmark = pytest.mark.django_db

EVENTS = 1000  # of the first pair; the others have fewer, or the suite would take minutes
HOURLY = {"every": "1h", "lets_through": None}
PAIRS = [(0, 3), (0, 4), (1, 1), (1, 2), (2, 0), (2, 3), (3, 1), (4, 2)]
POLICIES = [
    {},
    {"needed_count": 2, "window_count": 3, "good_count": 2},
    {"hold_for": "4m", "repeat_every": "30m"},
    {"flap_changes": 5, "flap_period": "1h", "repeat_every": "20m"},
    {"stale_after": "7m", "repeat_every": "15m"},
]
KINDS = [
    {"condition": "row_count", "condition_params": {"operator": ">", "threshold": "2"}},
    {"condition": "row_count", "condition_params": {"operator": ">", "threshold": "3"},
     "recovery_params": {"operator": "<", "threshold": "2"}},
    {"condition": "not_empty", "condition_params": {}, "is_row_level": True, "key_columns": ["n"]},
    {"condition": "changed", "condition_params": {}},
    {"source": "outcome", "condition": "", "outcomes": ["technical_failure", "timeout", "skipped"]},
]  # fmt: skip


def replay(rng: random.Random, job, monkeypatch, count: int) -> float:
    """So many events through the live engine; between them its clock goes on, in steps of its own."""
    now = {"at": NOW}
    monkeypatch.setattr("jobs.dbclock.now", lambda: now["at"])
    minute = 0.0
    for _number in range(count):
        minute += rng.choice([1, 1, 1, 2, 3, 11])
        while rng.random() < 0.3:
            now["at"] = min(NOW + minute * MINUTE, now["at"] + rng.random() * 3 * MINUTE)
            clockwork.pass_time()
        now["at"] = NOW + minute * MINUTE
        what = rng.random()
        if what < 0.12:
            code = rng.choice([ReasonCode.CONNECTION, ReasonCode.SCRIPT_FAILED])
            rows.failed(job, minute, reason_code=code, origin=Origin.API)
        elif what < 0.15:
            rows.ended(job, minute, RunStatus.SKIPPED, origin=Origin.API)
            rows.drain()
        elif what < 0.18:
            rows.ended(job, minute, RunStatus.CANCELLED, origin=Origin.API)
            rows.drain()
        else:
            found = rows.table(*rng.sample(range(6), rng.choice([0, 0, 1, 2, 3, 4])))
            rows.ended(job, minute, result=found, origin=Origin.API)
            rows.drain()
    now["at"] = NOW + (minute + 60) * MINUTE
    clockwork.pass_time()
    return minute + 60


def sent(report: Report) -> list[tuple[object, ...]]:
    return [
        (each.at, each.trigger.value, each.channel.slug, each.fate.status.value, each.fate.at)
        for each in report.written
    ]


@pytest.mark.parametrize(("kind", "policy"), PAIRS)
def test_it_equals_the_live_engine_on_the_same_events(kind, policy, monkeypatch):
    count = EVENTS if (kind, policy) == PAIRS[0] else EVENTS // 8
    rng = random.Random(1000 * kind + policy)
    job = rows.sql_job()
    rule = rows.rule(job, policy=POLICIES[policy], enabled_at=NOW, **KINDS[kind])
    quiet = {"timezone": "UTC", "spans": [{"starts": "22:00", "ends": "23:30"}], "lets_through": None}
    told = [
        rows.notice(rows.channel(job), alert_rule=rule, name="all"),
        rows.notice(rows.channel(job, "quiet"), ["firing", "error", "recovered"], alert_rule=rule, quiet_hours=quiet),
        rows.notice(rows.channel(job, "digest"), ["firing", "stale"], job=job, digest=HOURLY),
    ]
    Silence.objects.create(
        tenant=job.tenant, reason="x", selector={"jobs": [job.slug]},
        starts_at=NOW + timedelta(hours=5), ends_at=NOW + timedelta(hours=7),
    )  # fmt: skip
    with transaction.atomic():
        clockwork.begin(rule, NOW)
    until = replay(rng, job, monkeypatch, count)
    live = list(
        Notification.objects.order_by("pk").values_list(
            "happened_at", "trigger", "channel__slug", "status", "not_before"
        )
    )
    asked = Question(
        rule=rule, job=job, notices=told, book=shelf.take([job.tenant_id])[job.tenant_id],
        target=target_of(job, rule), since=NOW, until=NOW + until * MINUTE,
    )  # fmt: skip
    report = backtest.of_alert(asked)
    assert sorted(sent(report)) == sorted(live)
    assert report.incidents == Incident.objects.count()
    assert len(live) > 3, "the events say nothing"


def test_notification_rules_too(monkeypatch):
    job = rows.sql_job()
    triggers = ["technical_failure", "timeout", "recovered", "missed"]
    rule = rows.notice(rows.channel(job), triggers, job=job, policy={"threshold": 2, "repeat": "threshold"})
    rng = random.Random(7)
    for minute in range(200):
        rows.ended(job, minute, rng.choice([RunStatus.SUCCEEDED, RunStatus.TECHNICAL_FAILURE, RunStatus.MISSED]))
    rows.drain()
    live = list(Notification.objects.order_by("pk").values_list("happened_at", "trigger"))
    book = shelf.take([job.tenant_id])[job.tenant_id]
    report = backtest.of_notice(rule, [job], book=book, since=NOW, until=NOW + 200 * MINUTE)
    assert [(each.at, each.trigger.value) for each in report.written] == live
    assert report.naive > len(report.sent) > 10


def test_nothing_is_written():
    job = rows.sql_job()
    rule = rows.rule(job, enabled_at=NOW)
    told = [rows.notice(rows.channel(job), alert_rule=rule)]
    for minute in range(5):
        rows.ended(job, minute, result=rows.table(1))
    book = shelf.take([job.tenant_id])[job.tenant_id]
    asked = Question(
        rule=rule, job=job, notices=told, book=book, target=target_of(job, rule), since=NOW, until=NOW + 9 * MINUTE
    )
    report = backtest.of_alert(asked)
    assert [each.trigger.value for each in report.sent] == ["firing"]
    assert (report.naive, report.runs, report.bad) == (5, 5, 5)
    assert not (Notification.objects.exists() or Incident.objects.exists() or AlertStatus.objects.exists())


def test_a_digest_is_one_message():
    job = rows.sql_job()
    rule = rows.rule(job, enabled_at=NOW)
    told = [rows.notice(rows.channel(job), alert_rule=rule, digest=HOURLY)]
    for minute in range(4):
        rows.ended(job, minute, result=rows.table(*([1] if minute % 2 else [])))
    book = shelf.take([job.tenant_id])[job.tenant_id]
    asked = Question(
        rule=rule, job=job, notices=told, book=book, target=target_of(job, rule), since=NOW, until=NOW + 20 * MINUTE
    )
    report = backtest.of_alert(asked)
    assert len(report.written) == 3
    assert len(report.sent) == 1
    assert report.sent[0].fate.status == NotificationStatus.HELD


def test_what_it_compares_with_is_found_as_if_all_were_looked_at():
    rng = random.Random(3)
    memory, at = backtest._Memory(), NOW - timedelta(days=9)
    while at < NOW:
        at += rng.choice([5, 5, 20, 300]) * MINUTE
        memory.kept.append(Summary(at=at, measure="row_count", number=Fraction(rng.randrange(9))))
        memory.seen.append(at)
        expected = expected_interval(memory.times())
        few, moment = memory.summaries(at + MINUTE), at + MINUTE
        for ago in (timedelta(days=1), timedelta(weeks=1)):
            assert earlier(few, moment, ago, expected) == earlier(memory.kept, moment, ago, expected)
        assert memory.kept[-1] in few
    assert len(memory.summaries(NOW)) < len(memory.kept) / 4
