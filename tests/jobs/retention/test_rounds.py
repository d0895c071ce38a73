"""Rounds of the pruner: one at a time, stopped anywhere, never against what lives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet

from accounts.models import AuditEntry
from jobs import dbclock, retention
from jobs.engine import invariants
from jobs.models import Attempt, LogChunk, Pruning, Run, RunEvent
from jobs.retention import Limits, leftovers, quota, rounds, rows
from jobs.states import RunStatus
from tests.jobs import rows as make
from tests.jobs.retention.history import aged, kept, logged

pytestmark = pytest.mark.django_db
AT_ONCE = Limits(pause=0)


@pytest.fixture(autouse=True)
def days(settings: Any) -> None:
    settings.PORTAL_RUN_DAYS, settings.PORTAL_LOG_DAYS = 30, 3


# --- races ---


def test_a_run_somebody_has_begun_to_hold_between_looking_and_deleting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second writer: between the list of ids and the delete, a living part appears below the container."""
    job = make.job()
    container = aged(job, 40, is_container=True)
    aged(job, 0)
    real = rows.delete_runs

    def first_a_part(ids: Any) -> int:
        if not Run.objects.filter(parent=container).exists():
            make.run(job, RunStatus.QUEUED, parent=container)
        return real(ids)

    monkeypatch.setattr(rows, "delete_runs", first_a_part)
    retention.prune(AT_ONCE)

    assert kept(container) == [0]


def test_a_run_that_turned_out_to_be_alive_is_not_deleted() -> None:
    job = make.job()
    run = aged(job, 40, RunStatus.RUNNING)

    assert rows.delete_runs([run.pk]) == 0
    assert kept(run) == [0]


def test_ids_another_pruner_has_deleted_count_for_nobody() -> None:
    job = make.job()
    runs = [aged(job, 40), aged(job, 40)]
    runs[0].delete()

    assert rows.delete_runs([runs[0].pk or 0, runs[1].pk, 10**9]) == 1


def test_a_second_pruner_leaves_at_once() -> None:
    job = make.job()
    old = aged(job, 40)
    aged(job, 0)
    lease = rounds.Lease(Limits())
    assert lease.take()

    assert retention.prune(AT_ONCE) is None
    assert kept(old) == [0]

    lease.release()
    assert retention.prune(AT_ONCE) is not None
    assert kept(old) == []


def test_a_pruner_that_died_is_followed_by_another_after_its_lease() -> None:
    dead = rounds.Lease(Limits())
    assert dead.take()
    Pruning.objects.update(busy_until=dbclock.now() - timedelta(seconds=1))

    assert retention.prune(AT_ONCE) is not None


def test_a_pruner_that_lost_its_lease_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make.job()
    old = aged(job, 40)
    aged(job, 0)
    monkeypatch.setattr(rounds, "RENEW_SECONDS", -1.0)
    monkeypatch.setattr(quota, "count_usage", lambda now: Pruning.objects.update(owner="somebody else"))

    report = retention.prune(AT_ONCE)

    assert report is not None
    assert not report.is_complete
    assert kept(old) == [0]
    assert Pruning.objects.get().owner == "somebody else"


# --- rounds ---


def test_a_round_stops_when_told_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH", 1)
    job = make.job()
    runs = [aged(job, 40) for _ in range(5)]
    aged(job, 0)
    breaths: list[int] = []

    def after_three() -> bool:
        breaths.append(1)
        return len(breaths) > 3

    first = retention.prune(Limits(pause=0, should_stop=after_three))

    assert first is not None
    assert not first.is_complete
    assert 0 < len(kept(*runs)) < 5
    assert rounds.is_due(dbclock.now(), every=timedelta(hours=1))
    second = retention.prune(AT_ONCE)
    assert second is not None
    assert second.is_complete
    assert kept(*runs) == []
    assert not rounds.is_due(dbclock.now(), every=timedelta(hours=1))


def test_a_round_with_no_time_left_deletes_nothing_more() -> None:
    job = make.job()
    runs = [aged(job, 40)]
    aged(job, 0)

    report = retention.prune(Limits(pause=0, seconds=0))

    assert report is not None
    assert not report.is_complete
    assert kept(*runs) == [0]


def test_the_hourly_task_prunes_once_an_hour() -> None:
    job = make.job()
    runs = [aged(job, 41), aged(job, 40), aged(job, 29), aged(job, 0)]

    assert retention.tend() == 2
    Run.objects.filter(pk=runs[2].pk).update(
        created_at=dbclock.now() - timedelta(days=35), ended_at=dbclock.now() - timedelta(days=35)
    )
    assert retention.tend() == 0
    Pruning.objects.update(ended_at=dbclock.now() - timedelta(hours=2))
    assert retention.tend() == 1
    assert kept(*runs) == [3]


def test_each_tenant_that_lost_something_has_an_audit_entry() -> None:
    mine, other = make.job("mine"), make.job("other", of=make.tenant("rival"))
    logged(mine, 40, "x")
    aged(mine, 0)
    aged(other, 0)

    retention.prune(AT_ONCE)

    [entry] = AuditEntry.objects.filter(verb="jobs.history.pruned")
    assert entry.tenant == mine.tenant
    assert entry.details == {"runs": 1, "logs": 1, "log_bytes": 1}
    assert retention.prune(AT_ONCE) is not None
    assert AuditEntry.objects.filter(verb="jobs.history.pruned").count() == 1


def test_the_report_stays_for_the_dashboard() -> None:
    job = make.job()
    logged(job, 40, "x")
    aged(job, 0)

    retention.prune(AT_ONCE)

    last = retention.latest_report()
    assert last is not None
    assert last.report["runs"] == 1
    assert last.busy_until is None
    assert last.error == ""


def test_an_error_is_kept_and_the_lease_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(leftovers, "sweep", fail)
    with pytest.raises(RuntimeError):
        retention.prune(AT_ONCE)
    last = Pruning.objects.get()
    assert last.error == "RuntimeError: the disk is full"
    assert last.busy_until is None


def test_no_row_is_loaded_to_be_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """`QuerySet.delete` collects objects; a history of millions must go by ids alone."""
    job = make.job()
    logged(job, 40, "x")
    aged(job, 0)

    def refuse(self: QuerySet[Any]) -> None:
        assert self.model not in (Run, Attempt, RunEvent, LogChunk)

    monkeypatch.setattr(QuerySet, "delete", refuse)
    monkeypatch.setattr(leftovers, "sweep", lambda *args, **kwargs: None)
    report = retention.prune(AT_ONCE)
    assert report is not None
    assert report.runs == 1


def test_what_was_pruned_is_not_missed_by_the_check_of_the_ledger() -> None:
    """Invariant 2 compares rows with fire times; a run from before the cut that still lives must not send it there."""
    job = make.job()
    start = (dbclock.now() - timedelta(days=50)).replace(hour=0, minute=0, second=0, microsecond=0)
    schedule = make.schedule(job, "0 0 * * *", timezone="UTC", at=start)
    type(schedule).objects.filter(pk=schedule.pk).update(
        updated_at=start, cursor_at=start + timedelta(days=49), next_fire_at=start + timedelta(days=50)
    )
    for day in range(1, 50):
        status = RunStatus.RUNNING if day == 1 else RunStatus.SUCCEEDED
        at = start + timedelta(days=day)
        make.run(job, status, at, schedule=schedule, origin="schedule", dedupe_key=f"schedule:{schedule.pk}:{day}")
    assert list(invariants._fire_times(dbclock.now())) == []

    retention.prune(AT_ONCE)

    assert Run.objects.count() < 40
    assert list(invariants._fire_times(dbclock.now())) == []
    Run.objects.filter(scheduled_for=start + timedelta(days=40)).delete()
    assert len(list(invariants._fire_times(dbclock.now()))) == 1
