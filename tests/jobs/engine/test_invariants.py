"""`check_ledger` finds what is wrong: each invariant is broken once here."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from jobs.engine.invariants import INVARIANTS
from jobs.models import Attempt, Calendar, Run, RunEvent
from jobs.scheduling.tick import tick
from jobs.states import AttemptStatus, RunStatus
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


def broken():
    now = timezone.now()
    return {rule.number for rule in INVARIANTS if list(rule.find(now))}


@pytest.fixture
def running():
    rows.queued(rows.job())
    return rows.take(rows.node()).run


def test_a_healthy_ledger_breaks_nothing(running):
    assert broken() == set()


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (3, lambda run: RunEvent.objects.create(run=run, old="succeeded", new="queued", at=timezone.now())),
        (4, lambda run: Attempt.objects.update(number=7)),
        (5, lambda run: Attempt.objects.update(status=AttemptStatus.SUCCEEDED)),
        (6, lambda run: Run.objects.update(worker=None)),
        (7, lambda run: Run.objects.update(token=9)),
        (10, lambda run: rows.queued(rows.job("late"), not_before=timezone.now() - rows.HOUR)),
        (12, lambda run: Run.objects.update(lost_count=4)),
        (13, lambda run: base.run(run.job, RunStatus.RUNNING)),
        (21, lambda run: base.run(run.job, RunStatus.SKIPPED)),
    ],
)
def test_a_broken_row_is_found(running, number, change):
    change(running)
    assert number in broken()


def test_a_retry_after_success_is_found(running):
    Attempt.objects.update(status=AttemptStatus.SUCCEEDED)
    base.attempt(running, number=2, status=AttemptStatus.RUNNING)
    assert 11 in broken()


def test_a_quota_that_was_passed_is_found(running):
    tenant = running.tenant
    tenant.running_limit = 1
    tenant.save()
    base.run(rows.job("other"), RunStatus.RUNNING)
    assert 14 in broken()


def test_a_gap_in_a_log_is_found(running):
    base.chunk(Attempt.objects.get(), 2, "x")
    assert 19 in broken()


def test_a_fire_time_without_a_row_is_found():
    start = timezone.now() + timedelta(minutes=1)
    base.schedule(
        rows.job(overlap="allow", overlap_limit=9),
        "1m",
        kind="interval",
        timezone="UTC",
        at=start,
        next_fire_at=start + timedelta(minutes=1),
    )
    for minute in range(1, 5):
        tick(start + timedelta(minutes=minute))
    assert 2 not in broken()
    RunEvent.objects.all().delete()
    Run.objects.order_by("scheduled_for")[1].delete()
    assert 2 in broken()


def test_working_days_are_those_of_the_schedules_calendar():
    job, start = rows.job(overlap="allow", overlap_limit=9), timezone.now() + timedelta(minutes=1)
    sundays = Calendar.objects.create(tenant=job.tenant, slug="sundays", name="Sundays", workdays="7")
    moments = {"at": start, "next_fire_at": start}
    base.schedule(job, "1 12:00", kind="workday", timezone="UTC", calendar=sundays, **moments)
    tick(start + timedelta(days=70))
    assert Run.objects.count() >= 1
    assert 2 not in broken()
    Run.objects.update(scheduled_for=F("scheduled_for") - timedelta(days=1))
    assert 2 in broken()


def test_the_command_exits_with_one_when_something_is_broken(running, capsys):
    call_command("check_ledger")
    Run.objects.update(token=9)
    with pytest.raises(SystemExit) as stop:
        call_command("check_ledger")
    assert stop.value.code == 1
    assert f"run {running.pk}" in capsys.readouterr().out
