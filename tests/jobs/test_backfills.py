"""Backfills: what is run afterwards, once each, a few at a time, behind what is due."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from jobs import backfills
from jobs.backfillplan import BackfillState, Direction, make_plan, params_at, window
from jobs.backfills import BackfillRefusedError, Wish
from jobs.fates import Fate
from jobs.models import Backfill, Run, RunEvent, Schedule
from jobs.queries.fireledger import Period, fire_ledger, later_runs
from jobs.runparams import RunParamsError
from jobs.scheduling.tick import tick
from jobs.scheduling.triggers import parse_trigger
from jobs.states import Origin, ReasonCode, RunStatus
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
T0 = base.NOW
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def hourly(since=T0, hours=5, **fields):
    trigger = parse_trigger("cron", "0 * * * *", "UTC", since)
    return Wish(since=since, until=since + hours * HOUR, trigger=trigger, timezone="UTC", **fields)


def made(job, **fields):
    return backfills.create_range(job, hourly(**fields), actor=None)


def runs_of(backfill, *statuses):
    rows_ = Run.objects.filter(backfill=backfill).order_by("pk")
    return list(rows_.filter(status__in=statuses) if statuses else rows_)


def end(*runs, status=RunStatus.SUCCEEDED):
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(status=status)


def finish_all(backfill):
    while Backfill.objects.get(pk=backfill.pk).state == BackfillState.ACTIVE:
        end(*runs_of(backfill, RunStatus.QUEUED))
        backfills.release(T0)


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_a_plan_takes_each_instant_once_leaves_out_the_covered_and_says_what_the_limit_cost():
    instants = [T0 + n * HOUR for n in (3, 1, 2, 2, 0)]
    plan = make_plan(instants, covered={T0}, direction=Direction.NEWEST, limit=2)
    assert plan.instants == (T0 + 3 * HOUR, T0 + 2 * HOUR)
    assert (plan.found, plan.already, plan.left_out) == (4, 1, 1)


@pytest.mark.parametrize(
    ("overlap", "limit", "parallel", "expected"),
    [("skip", 1, 1, 20), ("allow", 5, 2, 2), ("allow", 2, 5, 20), ("queue", 9, 3, 20)],
)
def test_the_window_never_lets_more_run_at_once_than_asked(overlap, limit, parallel, expected):
    assert window(overlap=overlap, overlap_limit=limit, max_parallel=parallel) == expected


def test_a_parameter_can_name_the_instant():
    given = {"day": "{date}", "at": "{datetime}", "n": 3}
    assert params_at(given, T0, "Asia/Shanghai") == {"day": "2026-11-20", "at": "2026-11-20T20:00:00+08:00", "n": 3}


def test_what_has_succeeded_on_schedule_is_left_out_unless_asked_for_again():
    job = rows.job()
    base.run(job, at=T0 + HOUR, origin=Origin.SCHEDULE)
    base.run(job, RunStatus.LOST, at=T0 + 2 * HOUR, origin=Origin.SCHEDULE)
    assert T0 + HOUR not in backfills.plan_range(job, hourly()).instants
    assert T0 + 2 * HOUR in backfills.plan_range(job, hourly()).instants
    assert len(backfills.plan_range(job, hourly(again=True)).instants) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hours": 0}, "period is empty"),
        ({"limit": 0}, "limit is between"),
        ({"max_parallel": 51}, "At once is between"),
    ],
)
def test_a_bad_wish_is_refused_in_words(changes, words):
    with pytest.raises(BackfillRefusedError, match=words):
        backfills.plan_range(rows.job(), hourly(**changes))


def test_a_period_with_too_many_instants_is_refused():
    wish = Wish(since=T0, until=T0 + 40 * 24 * HOUR, trigger=parse_trigger("interval", "1s", "UTC", T0))
    with pytest.raises(BackfillRefusedError, match="too many instants"):
        backfills.plan_range(rows.job(), wish)


# --- making and releasing ---------------------------------------------------------------------------------------------


def test_each_run_is_of_its_instant_of_the_published_revision_and_below_the_jobs_priority():
    job = rows.job(priority=3)
    backfill = made(job)
    found = runs_of(backfill)
    assert [run.scheduled_for for run in found] == [T0 + n * HOUR for n in range(5)]
    assert {(run.origin, run.revision_id, run.priority, run.status) for run in found} == {
        (Origin.BACKFILL, job.revision_id, -7, RunStatus.QUEUED)
    }
    assert found[0].dedupe_key.startswith(f"backfill:{backfill.pk}:")
    assert RunEvent.objects.filter(run__in=found, new=RunStatus.QUEUED).count() == 5


def test_a_run_that_is_due_goes_before_a_backfill():
    job, other = rows.job("report"), rows.job("other")
    made(job)
    due = rows.queued(other)
    assert rows.take(rows.node()).run.pk == due.pk


def test_at_most_so_many_wait_or_run_at_once_and_the_next_follow():
    backfill = made(rows.job(overlap="allow", overlap_limit=9), hours=5, max_parallel=2)
    assert len(runs_of(backfill)) == 2
    assert backfills.release(T0) == 0
    end(runs_of(backfill)[0])
    assert backfills.release(T0) == 1
    finish_all(backfill)
    backfill.refresh_from_db()
    assert (backfill.state, backfill.released_count) == (BackfillState.DONE, 5)
    assert len(runs_of(backfill, RunStatus.SUCCEEDED)) == 5
    assert backfill.ended_at == T0


def test_newest_first_is_released_in_that_order():
    backfill = made(rows.job(), direction=Direction.NEWEST, limit=3)
    assert [run.scheduled_for for run in runs_of(backfill)] == [T0 + n * HOUR for n in (4, 3, 2)]


def test_parameters_are_filled_for_each_instant_and_checked_before_anything_is_made():
    job = rows.job(run_params=[{"name": "day", "type": "date", "required": True}])
    backfill = made(job, hours=26, params={"day": "{date}"})
    assert [run.params["day"] for run in runs_of(backfill)][::19] == ["2026-11-20", "2026-11-21"]
    with pytest.raises(RunParamsError):
        made(job, params={"day": "tomorrow"}, again=True)
    assert Backfill.objects.count() == 1


def test_a_sweep_that_comes_second_queues_nothing_twice():
    """The race: its `released_count` is the old one, the unique key is left to decide."""
    backfill = made(rows.job(), hours=3)
    Backfill.objects.filter(pk=backfill.pk).update(released_count=0)
    backfills.release(T0)
    assert len(runs_of(backfill)) == 3


def test_a_second_backfill_leaves_what_the_first_has_still_to_run():
    job = rows.job(overlap="allow", overlap_limit=9)
    made(job, hours=3, max_parallel=1)
    assert backfills.plan_range(job, hourly(hours=4)).instants == (T0 + 3 * HOUR,)


def test_a_defect_in_one_backfill_does_not_hold_up_the_others():
    broken, fine = made(rows.job("a"), hours=30), made(rows.job("b"), hours=30)
    Backfill.objects.filter(pk=broken.pk).update(instants=["rubbish"] * 30)
    end(*runs_of(broken), *runs_of(fine))
    assert backfills.release(T0) == 10


def test_a_deleted_job_ends_its_backfill_and_a_disabled_tenant_lets_it_wait():
    job = rows.job()
    backfill = made(job, hours=30)
    end(*runs_of(backfill))
    job.tenant.is_active = False
    job.tenant.save()
    assert backfills.release(T0) == 0
    job.archived_at = T0
    job.save()
    backfills.release(T0)
    backfill.refresh_from_db()
    assert backfill.state == BackfillState.CANCELLED


def test_a_backfill_of_a_deleted_job_is_refused():
    job = rows.job()
    job.archived_at = T0
    job.save()
    with pytest.raises(BackfillRefusedError):
        made(job)


# --- it is in nobody's way --------------------------------------------------------------------------------------------


def test_a_scheduled_run_waits_for_a_backfills_and_is_not_skipped():
    job = rows.job()
    base.schedule(job, "1m", kind="interval", timezone="UTC", at=T0, next_fire_at=T0 + MINUTE)
    made(job)
    node = rows.node()
    running = rows.take(node).run
    assert running.origin == Origin.BACKFILL
    tick(T0 + MINUTE)
    due = Run.objects.get(origin=Origin.SCHEDULE)
    assert due.status == RunStatus.QUEUED
    assert rows.take(node) is None
    due.refresh_from_db()
    assert due.status == RunStatus.QUEUED
    end(running)
    assert rows.take(node).run.pk == due.pk


def test_the_newer_fire_time_of_cancel_previous_leaves_a_backfill_alone():
    job = rows.job(overlap="cancel_previous")
    base.schedule(job, "1m", kind="interval", timezone="UTC", at=T0, next_fire_at=T0 + MINUTE)
    backfill = made(job)
    tick(T0 + MINUTE)
    rows.queued(job)
    assert len(runs_of(backfill, RunStatus.QUEUED)) == 5


# --- cancelling -------------------------------------------------------------------------------------------------------


def test_cancelling_releases_no_more_and_cancels_what_waits():
    backfill = made(rows.job(), hours=30)
    running = rows.take(rows.node()).run
    assert backfills.cancel_backfill(backfill, actor=None)
    assert backfill.state == BackfillState.CANCELLED
    assert backfills.release(T0) == 0
    cancelled = runs_of(backfill, RunStatus.CANCELLED)
    assert len(cancelled) == 19
    assert {run.reason_code for run in cancelled} == {ReasonCode.BACKFILL_CANCELLED}
    running.refresh_from_db()
    assert running.cancel_requested_at is None
    assert not backfills.cancel_backfill(backfill, actor=None)


def test_cancelling_may_end_what_runs_too():
    backfill = made(rows.job())
    running = rows.take(rows.node()).run
    backfills.cancel_backfill(backfill, actor=None, running=True)
    running.refresh_from_db()
    assert running.cancel_requested_at is not None


def test_a_cancel_between_a_sweeps_look_and_its_step_wins(monkeypatch):
    """The race: the sweep has read the active ones; the cancel commits before it takes the row."""
    backfill = made(rows.job(), hours=30)
    end(*runs_of(backfill))
    step = backfills._step

    def late_step(pk, now):
        backfills.cancel_backfill(backfill, actor=None)
        return step(pk, now)

    monkeypatch.setattr(backfills, "_step", late_step)
    assert backfills.release(T0) == 0


def test_what_a_cancelled_backfill_did_not_run_is_offered_again():
    job = rows.job()
    backfills.cancel_backfill(made(job), actor=None)
    assert len(backfills.plan_range(job, hourly()).instants) == 5


def test_only_who_may_run_the_job_makes_and_cancels_and_each_leaves_an_audit_entry():
    job = rows.job()
    viewer, operator = base.user("vi", "viewer"), base.user("op", "operator")
    with pytest.raises(PermissionDenied):
        backfills.create_range(job, hourly(), actor=viewer)
    backfill = backfills.create_range(job, hourly(), actor=operator)
    with pytest.raises(PermissionDenied):
        backfills.cancel_backfill(backfill, actor=viewer)
    with pytest.raises(PermissionDenied):
        backfills.run_missed(job, [T0], actor=viewer)
    backfills.cancel_backfill(backfill, actor=operator)
    backfills.run_missed(job, [T0], actor=operator)
    verbs = list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["jobs.backfill.created", "jobs.backfill.cancelled", "jobs.backfill.missed_run"]
    assert {run.requested_by for run in runs_of(backfill)} == {operator}


# --- run what was missed ----------------------------------------------------------------------------------------------


def ten_minutes_missed(job):
    fields = {"kind": "interval", "timezone": "UTC", "at": T0, "next_fire_at": T0 + MINUTE}
    base.schedule(job, "1m", misfire="skip", grace=timedelta(seconds=1), **fields)
    tick(T0 + 10 * MINUTE + timedelta(seconds=5))


def missed(until=T0 + HOUR):
    period = Period(since=T0, until=until)
    now = T0 + 10 * MINUTE + timedelta(seconds=6)
    return backfills.missed_instants(Run.objects.all(), Schedule.objects.all(), period, now=now)


def test_what_was_missed_runs_once_however_often_somebody_clicks():
    job = rows.job()
    ten_minutes_missed(job)
    offered = missed()
    assert offered == {job.pk: [T0 + n * MINUTE for n in range(1, 11)]}
    first = backfills.run_missed(job, offered[job.pk], actor=None)
    assert first is not None
    assert first.total_count == 10
    assert missed() == {}
    assert backfills.run_missed(job, offered[job.pk], actor=None) is None  # the page was open in two tabs
    finish_all(first)
    assert missed() == {}
    assert Run.objects.filter(origin=Origin.BACKFILL).count() == 10


def test_the_missed_row_stays_and_names_the_run_that_came_later():
    job = rows.job()
    ten_minutes_missed(job)
    finish_all(backfills.run_missed(job, missed()[job.pk], actor=None))
    ledger = fire_ledger(
        Run.objects.all(), Schedule.objects.all(), Period(since=T0, until=T0 + HOUR), now=T0 + 11 * MINUTE
    )
    assert ledger.counts[Fate.MISSED] == 10
    assert len(later_runs(Run.objects.all(), ledger.moments)) == 10


def test_a_run_of_it_that_was_cancelled_is_offered_again():
    job = rows.job()
    ten_minutes_missed(job)
    backfill = backfills.run_missed(job, missed()[job.pk], actor=None)
    assert backfill is not None
    backfills.cancel_backfill(backfill, actor=None)
    assert len(missed()[job.pk]) == 10


def test_the_newest_are_kept_when_there_are_more_than_one_click_may_run():
    offered = {1: [T0, T0 + 2 * MINUTE], 2: [T0 + MINUTE, T0 + 3 * MINUTE]}
    assert backfills.choose_missed(offered, direction=Direction.NEWEST, limit=3) == {
        2: [T0 + 3 * MINUTE, T0 + MINUTE],
        1: [T0 + 2 * MINUTE],
    }


def test_an_interval_whose_anchor_has_microseconds_is_matched_exactly():
    job = rows.job()
    anchor = T0 + timedelta(microseconds=123456)
    fields = {"kind": "interval", "timezone": "UTC", "at": anchor, "next_fire_at": anchor + MINUTE}
    base.schedule(job, "1m", misfire="skip", grace=timedelta(seconds=1), **fields)
    tick(T0 + 3 * MINUTE + timedelta(seconds=5))
    offered = missed(until=T0 + 3 * MINUTE + timedelta(seconds=5))
    backfills.run_missed(job, offered[job.pk], actor=None)
    assert missed(until=T0 + 3 * MINUTE + timedelta(seconds=5)) == {}
    assert set(Run.objects.filter(origin=Origin.BACKFILL).values_list("scheduled_for", flat=True)) == {
        anchor + n * MINUTE for n in (1, 2, 3)
    }


def test_a_missed_run_has_the_parameters_defaults_as_the_scheduled_one_would():
    job = rows.job(run_params=[{"name": "day", "type": "int", "default": 3}, {"name": "who", "required": True}])
    ten_minutes_missed(job)
    backfill = backfills.run_missed(job, missed()[job.pk], actor=None)
    assert runs_of(backfill)[0].params == {"day": 3}


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_previews_makes_and_cancels(capsys):
    job = rows.job()
    base.schedule(job, "0 * * * *", timezone="UTC")
    period = ["--from", "2026-11-19T00:00:00+00:00", "--to", "2026-11-19T06:00:00+00:00"]
    call_command("backfill", "acme/report", *period, "--dry-run")
    assert "6 instants would run" in capsys.readouterr().out
    assert not Backfill.objects.exists()
    call_command("backfill", "acme/report", *period, "--limit", "4", "--order", "newest")
    backfill = Backfill.objects.get()
    assert (backfill.total_count, backfill.direction) == (4, Direction.NEWEST)
    call_command("backfill", "--cancel", str(backfill.pk))
    backfill.refresh_from_db()
    assert backfill.state == BackfillState.CANCELLED


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["acme/report"], "--from"),
        (["acme/report", "--from", "soon", "--to", "2026-11-20", "--cron", "0 * * * *"], "not a date"),
        (["acme/report", "--from", "2026-11-19", "--to", "2026-11-20"], "no schedule"),
        (["acme/report", "--from", "2026-11-19", "--to", "2026-11-20", "--cron", "x"], "five fields|5"),
        (["acme/nothing", "--from", "2026-11-19", "--to", "2026-11-20"], "There is no job"),
        (["--cancel", "4711"], "There is no backfill"),
    ],
)
def test_the_command_refuses_in_one_sentence(options, words):
    rows.job()
    with pytest.raises(CommandError, match=words):
        call_command("backfill", *options)
