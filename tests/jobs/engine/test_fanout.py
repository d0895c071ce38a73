"""Runs made of parts: expanded, ended with the last part, cancelled, repeated in part."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import runs
from jobs.engine import fanout
from jobs.engine.finish import Ending, finish
from jobs.engine.inputs import shard_variables
from jobs.engine.invariants import INVARIANTS
from jobs.models import JobRevision, Run, RunEvent, WorkerNode
from jobs.scheduling.tick import tick
from jobs.states import AttemptStatus, Origin, ReasonCode, RunStatus, WaitReason
from tests.jobs import rows as job_rows
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
SHARDS = {"mode": "shards", "total": 4}
ENDINGS = {
    AttemptStatus.SUCCEEDED: Ending(status=AttemptStatus.SUCCEEDED, exit_code=0),
    AttemptStatus.BUSINESS_FAILURE: Ending(status=AttemptStatus.BUSINESS_FAILURE, exit_code=1),
}


@pytest.fixture
def node():
    return rows.node()


def sharded(slug="report", total=4, **fields):
    return rows.job(slug, fan_out={"mode": "shards", "total": total}, **fields)


def begun(node, job=None):
    """A container whose parts are queued; nothing of it runs yet."""
    container = rows.queued(job or sharded())
    fanout.expand(container, now=timezone.now())
    container.refresh_from_db()
    return container


def end(claimed, status=AttemptStatus.SUCCEEDED):
    assert finish(claimed.run, claimed.attempt, ENDINGS[status])


def findings():
    return [found for each in INVARIANTS for found in each.find(timezone.now())]


def test_a_whole_that_cannot_be_read_fails_and_what_is_behind_it_runs(node):
    job = sharded(priority=5)
    JobRevision.objects.filter(job=job).update(definition={"name": "report", "kind": "of a later version"})
    container, behind = rows.queued(job), rows.queued(rows.job("behind"))
    assert rows.take(node).run.pk == behind.pk
    container.refresh_from_db()
    assert (container.status, container.reason_code) == (RunStatus.TECHNICAL_FAILURE, ReasonCode.BAD_DEFINITION)
    assert "There is no job kind “of a later version”" in container.reason
    assert container.ended_at is not None
    assert findings() == []


def test_a_claim_of_a_sharded_run_makes_its_parts_and_takes_the_first(node):
    container = rows.queued(sharded())
    claimed = rows.take(node)
    container.refresh_from_db()
    assert (container.status, container.worker, container.token) == (RunStatus.RUNNING, None, 0)
    assert (claimed.run.parent_id, claimed.run.shard_index, claimed.run.shard_total) == (container.pk, 0, 4)
    assert list(container.parts.order_by("shard_index").values_list("shard_index", flat=True)) == [0, 1, 2, 3]
    assert findings() == []


def test_each_part_knows_its_number_and_the_total(node):
    begun(node)
    assert shard_variables(rows.take(node).run) == {
        "SHARD_INDEX": "0",
        "SHARD_TOTAL": "4",
        "PORTAL_SHARD_INDEX": "0",
        "PORTAL_SHARD_TOTAL": "4",
    }
    assert shard_variables(rows.queued(rows.job("whole"))) == {}


def test_all_parts_run_at_once_though_the_job_does_not_overlap(node):
    begun(node)
    assert [rows.take(node) is None for _ in range(5)] == [False, False, False, False, True]


def test_a_second_run_of_the_job_waits_for_the_whole(node):
    job = sharded()
    first, second = begun(node, job), rows.queued(job)
    for _ in range(4):
        rows.take(node)
    assert rows.take(node) is None
    second.refresh_from_db()
    assert second.wait_reason == WaitReason.OVERLAP
    assert f"#{first.pk}" in second.reason


def test_the_tenants_limit_counts_parts_and_not_the_whole(node):
    job = sharded()
    job.tenant.running_limit = 2
    job.tenant.save()
    begun(node, job)
    assert [rows.take(node) is None for _ in range(3)] == [False, False, True]
    assert Run.objects.filter(wait_reason=WaitReason.TENANT_QUOTA).count() >= 1


def test_it_ends_with_the_last_part(node):
    container = begun(node)
    taken = [rows.take(node) for _ in range(4)]
    for claimed in taken[:3]:
        end(claimed)
    container.refresh_from_db()
    assert container.status == RunStatus.RUNNING
    end(taken[3])
    container.refresh_from_db()
    assert (container.status, container.reason_code) == (RunStatus.SUCCEEDED, "")
    assert container.ended_at is not None
    assert findings() == []


def test_a_failed_part_fails_the_whole_and_the_counts_say_how_many(node):
    container = begun(node)
    taken = [rows.take(node) for _ in range(4)]
    for claimed, status in zip(taken, [*["succeeded"] * 3, "business_failure"], strict=True):
        end(claimed, AttemptStatus(status))
    container.refresh_from_db()
    assert (container.status, container.reason_code) == (RunStatus.BUSINESS_FAILURE, ReasonCode.SHARDS_FAILED)
    assert container.reason_args == {"key": "shards_failed", "total": 4, "good": 3, "bad": 1, "unrun": 0}


def test_cancelling_the_whole_cancels_every_part(node):
    container = begun(node)
    running = rows.take(node)
    assert runs.cancel_run(container, actor=None)
    container.refresh_from_db()
    assert (container.status, container.parts.filter(status="cancelled").count()) == (RunStatus.RUNNING, 3)
    running.run.refresh_from_db()
    assert running.run.cancel_requested_at is not None
    assert finish(running.run, running.attempt, Ending(status=AttemptStatus.CANCELLED))
    container.refresh_from_db()
    assert (container.status, container.reason_code) == (RunStatus.CANCELLED, ReasonCode.CANCELLED_BY_USER)
    assert findings() == []


def test_cancelling_a_whole_of_which_nothing_runs_ends_it_at_once(node):
    container = begun(node)
    assert runs.cancel_run(container, actor=None)
    container.refresh_from_db()
    assert (container.status, container.reason_code) == (RunStatus.CANCELLED, ReasonCode.CANCELLED_BY_USER)


def test_cancelling_one_part_leaves_the_others(node):
    container = begun(node)
    runs.cancel_run(container.parts.get(shard_index=2), actor=None)
    assert container.parts.filter(status="queued").count() == 3


def test_a_newer_run_takes_the_place_of_the_whole_and_of_its_parts(node):
    job = sharded(overlap="cancel_previous")
    older = begun(node, job)
    rows.queued(job)
    older.refresh_from_db()
    assert (older.status, older.reason_code) == (RunStatus.CANCELLED, ReasonCode.CANCELLED_BY_OVERLAP)


def test_only_the_failed_parts_run_again_with_their_numbers(node):
    container = begun(node)
    for number in range(4):
        end(rows.take(node), AttemptStatus.BUSINESS_FAILURE if number in (1, 3) else AttemptStatus.SUCCEEDED)
    container.refresh_from_db()
    again = runs.rerun_failed(container, actor=None)
    claimed = rows.take(node)
    again.refresh_from_db()
    assert (again.rerun_of_id, again.shard_total) == (container.pk, 4)
    assert sorted(again.parts.values_list("shard_index", "shard_total")) == [(1, 4), (3, 4)]
    assert claimed.run.shard_index == 1
    assert findings() == []


def test_nothing_is_run_again_while_it_runs_or_when_nothing_failed(node):
    container = begun(node)
    with pytest.raises(runs.RunRefusedError):
        runs.rerun_failed(container, actor=None)
    for _ in range(4):
        end(rows.take(node))
    container.refresh_from_db()
    with pytest.raises(runs.RunRefusedError):
        runs.rerun_failed(container, actor=None)


def test_a_part_run_again_is_a_whole_with_this_part_alone(node):
    container = begun(node)
    part = container.parts.get(shard_index=2)
    runs.cancel_run(container, actor=None)
    part.refresh_from_db()
    again = runs.rerun(part, actor=None)
    assert (again.is_container, again.only_shards, again.rerun_of_id) == (True, [2], container.pk)


def test_a_job_that_became_sharded_repeats_an_old_run_as_it_was(node):
    job = rows.job("whole")
    old = rows.queued(job)
    rows.take(node)
    job.fan_out, job.shard_total = "shards", 4
    job.save()
    assert not runs.rerun(old, actor=None).is_container


def test_a_broadcast_has_a_part_on_every_live_worker_of_the_queue():
    job = rows.job(fan_out={"mode": "broadcast"})
    first, second = rows.node("w1"), rows.node("w2")
    rows.node("other", queues=["slow"])
    rows.node("asked", drain_requested_at=timezone.now())
    rows.node("silent", last_seen_at=timezone.now() - timedelta(days=1))
    rows.node("gone", stopped_at=timezone.now())
    container = rows.queued(job)
    assert rows.take(second).run.target_slot == second.slot
    assert rows.take(second) is None
    assert rows.take(first).run.target_slot == first.slot
    assert sorted(container.parts.values_list("shard_index", "shard_total")) == [(0, 2), (1, 2)]
    assert findings() == []


def test_a_broadcast_without_a_worker_is_skipped_and_says_so(node):
    container = rows.queued(rows.job(fan_out={"mode": "broadcast"}))
    WorkerNode.objects.update(is_draining=True)
    assert rows.take(node) is None
    container.refresh_from_db()
    assert (container.status, container.reason_code) == (RunStatus.SKIPPED, ReasonCode.NO_TARGET)
    assert "default" in container.reason


def broadcast_to(node):
    container = rows.queued(rows.job(fan_out={"mode": "broadcast"}))
    fanout.expand(container, now=timezone.now())
    return container.parts.get(target_slot=node.slot)


def silent(node, settings, seconds):
    settings.PORTAL_TARGET_AWAY_SECONDS = 600
    part = broadcast_to(node)
    long_ago = timezone.now() - timedelta(seconds=seconds)
    WorkerNode.objects.update(last_seen_at=long_ago)
    Run.objects.filter(pk=part.pk).update(not_before=long_ago)
    fanout.sweep(timezone.now())
    part.refresh_from_db()
    return part


def test_a_part_whose_worker_is_away_says_so(node, settings):
    part = silent(node, settings, settings.PORTAL_LEASE_SECONDS + 5)
    assert (part.status, part.wait_reason) == (RunStatus.QUEUED, WaitReason.TARGET_NODE)
    assert "h/w1" in part.reason


def test_a_part_whose_worker_stays_away_is_given_up_and_ends_the_whole(node, settings):
    part = silent(node, settings, 700)
    assert (part.status, part.reason_code) == (RunStatus.SKIPPED, ReasonCode.NO_TARGET)
    part.parent.refresh_from_db()
    assert part.parent.status == RunStatus.TECHNICAL_FAILURE


def test_a_part_whose_worker_is_back_waits_for_nothing(node, settings):
    part = silent(node, settings, settings.PORTAL_LEASE_SECONDS + 5)
    WorkerNode.objects.update(last_seen_at=timezone.now())
    fanout.sweep(timezone.now())
    part.refresh_from_db()
    assert (part.wait_reason, part.reason) == ("", "")


def test_a_part_whose_worker_drains_waits_however_long(node, settings):
    part = broadcast_to(node)
    WorkerNode.objects.update(drain_requested_at=timezone.now())
    Run.objects.filter(pk=part.pk).update(not_before=timezone.now() - timedelta(days=1))
    fanout.sweep(timezone.now())
    part.refresh_from_db()
    assert (part.status, part.wait_reason) == (RunStatus.QUEUED, WaitReason.TARGET_NODE)


def test_the_sweep_ends_a_whole_that_was_left_behind(node):
    container = begun(node)
    container.parts.update(status=RunStatus.SUCCEEDED)
    assert "goes on, but all of its parts" in "".join(findings())
    fanout.sweep(timezone.now())
    container.refresh_from_db()
    assert container.status == RunStatus.SUCCEEDED


def test_a_scheduled_whole_counts_once_for_its_schedule(node):
    container = rows.queued(sharded(), origin=Origin.SCHEDULE)
    fanout.expand(container, now=timezone.now())
    assert set(container.parts.values_list("schedule", flat=True)) == {None}
    assert set(container.parts.values_list("origin", flat=True)) == {Origin.SCHEDULE}


def test_parts_are_taken_though_the_job_was_switched_off_meanwhile(node):
    job = sharded()
    container = rows.queued(job, origin=Origin.SCHEDULE)
    fanout.expand(container, now=timezone.now())
    job.is_enabled = False
    job.save()
    assert rows.take(node).run.parent_id == container.pk


def test_every_part_is_born_with_an_event(node):
    container = begun(node)
    assert RunEvent.objects.filter(run__parent=container, old="", new="queued").count() == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shard_index": 0}, "has 4 parts with 3 numbers"),
        ({"shard_total": 9}, "which can't be"),
        ({"shard_index": 7}, "which can't be"),
    ],
)
def test_the_ledgers_check_sees_parts_that_cannot_be(node, change, words):
    container = begun(node)
    container.parts.filter(shard_index=2).update(**change)
    assert words in "".join(findings())


def test_the_ledgers_check_sees_a_whole_that_ended_before_its_parts(node):
    container = begun(node)
    Run.objects.filter(pk=container.pk).update(status=RunStatus.SUCCEEDED)
    assert f"run {container.pk} is succeeded, but a part of it has not ended" in findings()


def test_a_fire_time_of_a_sharded_job_makes_a_whole(node):
    job = sharded()
    now = timezone.now()
    job_rows.schedule(job, "1m", kind="interval", at=now - timedelta(seconds=65))
    tick(now)
    rows.take(node)
    container = Run.objects.get(job=job, parent=None)
    assert (container.is_container, container.parts.count()) == (True, 4)


def test_a_run_of_an_older_revision_is_split_as_that_revision_says(node):
    job = sharded()
    old = job.revision
    plain = job_rows.revision(job, 2)
    job.revision, job.fan_out, job.shard_total = plain, "", None
    now = timezone.now()
    assert runs.row_values(job, old, origin=Origin.BACKFILL, now=now)["is_container"]
    assert not runs.row_values(job, plain, origin=Origin.BACKFILL, now=now)["is_container"]
