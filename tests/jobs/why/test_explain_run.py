"""The story of a run."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import BeatHeartbeat, Outage, Queue, Run
from jobs.reasons import say
from jobs.runs import cancel_run
from jobs.states import AttemptStatus, Origin, ReasonCode, RunStatus, WaitReason
from jobs.why import Mark, Place, explain_run
from tests.jobs import rows
from tests.jobs.engine import rows as engine_rows

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def told(run: Run, *, is_platform: bool = False):
    run = Run.objects.select_related("job", "tenant", "revision", "schedule").get(pk=run.pk)
    return explain_run(run, is_platform=is_platform)


def check(found, key):
    return next(each for each in found.checks if each.key == key)


@pytest.fixture
def node():
    return engine_rows.node()


def test_a_run_that_nothing_holds_back_says_so(node):
    BeatHeartbeat.objects.create(name="b", host="h", pid=1, started_at=timezone.now(), last_seen_at=timezone.now())
    found = told(engine_rows.queued(engine_rows.job()))
    assert found.headline == "Nothing holds it back: it starts with the next look of a worker."
    assert not found.answer
    assert {each.mark for each in found.checks} <= {Mark.PASSED, Mark.NOT_APPLICABLE}


def test_a_run_without_any_worker_waits_for_one():
    found = told(engine_rows.queued(engine_rows.job()))
    assert found.answer == "workers"
    assert found.headline == "It waits: No worker has ever served the queue “default”."
    assert found.decisive is not None
    assert found.decisive.advice == "Start a worker that serves this queue and this kind of job."


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"last_seen_at": rows.NOW - timedelta(days=300)}, "the last one was seen 30"),
        ({"stopped_at": timezone.now()}, "No live worker serves the queue"),
        ({"is_draining": True}, "Every live worker of the queue “default” is draining"),
        ({"queues": ["other"]}, "No worker has ever served the queue"),
    ],
)
def test_a_worker_that_does_not_count(fields, words):
    engine_rows.node(**fields)
    found = told(engine_rows.queued(engine_rows.job()))
    assert found.answer == "workers"
    assert words in check(found, "workers").text


def test_only_platform_admins_are_led_to_the_workers():
    run = engine_rows.queued(engine_rows.job())
    assert check(told(run), "workers").fix is None
    assert check(told(run, is_platform=True), "workers").fix.place == Place.WORKERS


def test_an_earlier_run_in_the_way_is_named_and_linked(node):
    job = engine_rows.job()
    first, second = engine_rows.queued(job), engine_rows.queued(job)
    engine_rows.take(node)
    found = told(second)
    assert found.answer == "overlap"
    assert f"Run #{first.pk} of this job has not ended" in found.headline
    assert check(found, "overlap").fix.pk == first.pk


def test_a_full_quota_gives_its_figures(node):
    job = engine_rows.job()
    job.tenant.running_limit = 1
    job.tenant.save()
    engine_rows.queued(job)
    waiting = engine_rows.queued(engine_rows.job("other"))
    engine_rows.take(node)
    found = told(waiting)
    assert found.answer == "tenant_quota"
    assert "1 of at most 1 runs" in found.headline


def test_a_paused_queue_comes_before_its_workers(node):
    Queue.objects.create(name="default", is_paused=True)
    found = told(engine_rows.queued(engine_rows.job()))
    assert found.headline == "It waits: The queue “default” is paused: nothing of it is started."


def test_a_queue_at_its_limit_gives_its_figures(node):
    Queue.objects.create(name="default", running_limit=1)
    rows.run(engine_rows.job("busy"), RunStatus.RUNNING)
    found = told(engine_rows.queued(engine_rows.job()))
    assert found.answer == "queue"
    assert "runs 1 of at most 1 runs" in found.headline


def test_workers_that_lack_the_kind_are_counted():
    engine_rows.node(capabilities=["http"])
    engine_rows.node("w2", capabilities=["sql"])
    found = told(engine_rows.queued(engine_rows.job()))
    assert found.answer == "capable"
    assert found.headline.startswith("It waits: None of the 2 live workers of the queue can run this job (shell).")


def test_a_busy_machine_gives_its_figures_to_platform_admins_only():
    gate = say(WaitReason.NODE_BUSY, "node_busy.cpu", worker="w1", percent=97, limit=80)
    engine_rows.node(
        running_count=1, cpu_percent=97, memory_percent=40, gate_reason=gate.text, gate_reason_args=gate.stored_args
    )
    run = engine_rows.queued(engine_rows.job())
    assert told(run).headline == "It waits: Every machine that could take it is too busy."
    assert "w1: CPU 97 %, memory 40 %." in told(run, is_platform=True).headline


def test_taken_slots_hold_a_run_back():
    engine_rows.node(capacity=2, running_count=2)
    assert told(engine_rows.queued(engine_rows.job())).answer == "slots"


def test_a_run_before_its_time_waits_for_it(node):
    found = told(engine_rows.queued(engine_rows.job(), not_before=timezone.now() + timedelta(minutes=3)))
    assert found.answer == "time"
    assert "it may start in 2 min 59 s" in found.headline or "it may start in 3 min 0 s" in found.headline


def test_a_target_that_is_away_is_named(node):
    run = engine_rows.queued(engine_rows.job(), target_slot="h/w9")
    found = told(run)
    assert found.answer == "target_node"
    assert "“w9”, which gives no sign of life" in found.headline


def test_a_noticed_outage_of_the_broker_is_told(node):
    began = timezone.now() - timedelta(minutes=5)
    Outage.objects.create(subject="broker", open_key="broker", began_at=began, noticed_at=began)
    found = told(engine_rows.queued(engine_rows.job()))
    assert check(found, "broker").mark == Mark.FAILED


def test_a_silent_beat_does_not_hold_a_queued_run(node):
    found = told(engine_rows.queued(engine_rows.job()))
    assert check(found, "beat").mark == Mark.NOT_APPLICABLE
    assert not found.answer


def test_runs_before_it_are_counted_and_never_named(node):
    for number in range(3):
        engine_rows.queued(engine_rows.job(f"j{number}", of=rows.tenant("others")), priority=0)
    mine = engine_rows.queued(engine_rows.job("mine"))
    found = told(mine)
    assert check(found, "order").text == "3 runs of the queue come before it by priority and age."
    assert not any("others" in each.text or "j0" in each.text for each in found.checks)


# --- what has ended ---------------------------------------------------------------------------------------------------


def retried(*statuses, retry_max=3, run_status=RunStatus.TECHNICAL_FAILURE, **fields):
    """A run of a job with retries whose attempts ended so."""
    job = engine_rows.job(retry={"max": retry_max, "backoff": "fixed", "base": "40s", "cap": "10m"})
    run = rows.run(job, run_status, **fields)
    began = run.started_at
    assert began is not None
    for number, status in enumerate(statuses, start=1):
        made = rows.attempt(run, number, status, worker_name="w1", ended_at=began + number * SECOND)
        if status == AttemptStatus.TECHNICAL_FAILURE:
            made.reason, made.reason_code = "It broke.", ReasonCode.SCRIPT_FAILED
            made.save()
    return run


T, B, LOST, OK = (
    AttemptStatus.TECHNICAL_FAILURE,
    AttemptStatus.BUSINESS_FAILURE,
    AttemptStatus.LOST,
    AttemptStatus.SUCCEEDED,
)


@pytest.mark.parametrize(
    ("statuses", "fields", "words"),
    [
        ([T, OK], {"run_status": RunStatus.SUCCEEDED}, "It was tried again: try 2 of 4, after about 40.0 s"),
        ([T, T], {"retry_max": 1}, "Not tried again: all 2 tries are used up."),
        ([T], {"retry_max": 0}, "Not tried again: the job has no retries."),
        ([B], {"run_status": RunStatus.BUSINESS_FAILURE}, "Not tried again: business failures never are"),
        ([LOST, OK], {"run_status": RunStatus.SUCCEEDED}, "A lost worker uses up no try: 1 of at most 3 losses."),
        ([LOST, LOST, LOST], {"run_status": RunStatus.LOST}, "Not tried again: 3 workers were lost"),
        (
            [LOST],
            {"run_status": RunStatus.LOST, "reason_code": ReasonCode.NOT_IDEMPOTENT},
            "Not tried again: the job is marked as not to run twice",
        ),
        ([AttemptStatus.RELEASED, OK], {"run_status": RunStatus.SUCCEEDED}, "Its worker gave it back"),
        (
            [T],
            {"run_status": RunStatus.CANCELLED, "reason_code": ReasonCode.CANCELLED_BY_USER},
            "Not tried again: the run was cancelled.",
        ),
    ],
)
def test_each_attempt_says_why_it_was_or_was_not_tried_again(statuses, fields, words):
    found = told(retried(*statuses, **fields))
    texts = [each.text for each in found.checks if each.key.startswith("attempt-")]
    assert len(texts) == len(statuses)
    assert any(words in text for text in texts)


def test_the_cause_of_an_attempt_is_in_its_sentence():
    found = told(retried(T, retry_max=0, reason_code=ReasonCode.SCRIPT_FAILED, reason="It broke."))
    assert "Attempt 1 on w1 took 1.0 s: Technical failure. It broke." in check(found, "attempt-1").text
    assert found.answer == "ended"
    assert found.headline == "Technical failure. The script ended with an error: It broke."
    assert found.decisive.fix.place == Place.LOG


def test_a_waiting_retry_names_the_try_and_its_time(node):
    due = timezone.now() + timedelta(seconds=40)
    run = retried(
        T, run_status=RunStatus.QUEUED, wait_reason=WaitReason.RETRY_BACKOFF, tries_used=1, not_before=due,
        started_at=timezone.now(), ended_at=None, reason="It broke.", reason_code=ReasonCode.SCRIPT_FAILED,
    )  # fmt: skip
    found = told(run)
    assert found.answer == "retry_backoff"
    assert "try 2 of 4 starts in" in found.headline
    assert "Try 2 of 4 is due at" in check(found, "attempt-1").text


def test_a_run_that_succeeded_has_no_failing_answer():
    found = told(retried(OK, run_status=RunStatus.SUCCEEDED))
    assert (found.headline, found.answer) == ("It ran and succeeded after 2.0 s.", "")


def test_a_skipped_run_says_why_and_who_was_in_the_way():
    words = say(ReasonCode.OVERLAP, run=7)
    found = told(rows.run(rows.job(), RunStatus.SKIPPED, **words.columns()))
    assert found.headline == ("Skipped. An earlier run of this job had not ended: Run #7 of this job has not ended.")
    assert found.decisive.advice == "If runs may wait or overlap, change the job's overlap rule."


def test_a_cancelled_run_says_who_cancelled_it():
    run = engine_rows.queued(engine_rows.job())
    cancel_run(run, actor=rows.user("olga", "operator"))
    assert told(run).headline == "Cancelled. Cancelled by a user: Cancelled by olga."


@pytest.mark.parametrize(
    ("origin", "fields", "words"),
    [
        (Origin.MANUAL, {}, "It was asked for by hand or by a command"),
        (Origin.API, {"dedupe_key": "api:1:abc"}, "with the idempotency key “abc”"),
        (Origin.BACKFILL, {}, "A backfill created it"),
        (Origin.SCHEDULE, {}, "A schedule that has been deleted since was due"),
    ],
)
def test_what_asked_for_a_run(origin, fields, words):
    assert words in check(told(rows.run(rows.job(), origin=origin, **fields)), "origin").text


def test_a_schedule_is_told_in_words():
    job = rows.job()
    run = rows.run(job, origin=Origin.SCHEDULE, schedule=rows.schedule(job, timezone="Asia/Shanghai"))
    assert "0 9 * * *, Asia/Shanghai" in check(told(run), "origin").text


def test_what_a_run_waited_for_is_kept_when_it_is_claimed(node):
    job = engine_rows.job()
    first, second = engine_rows.queued(job), engine_rows.queued(job)
    engine_rows.take(node)
    assert engine_rows.take(node) is None
    Run.objects.filter(pk=first.pk).update(status=RunStatus.SUCCEEDED)
    assert engine_rows.take(node).run.pk == second.pk
    words = f"Before that it had waited: An earlier run of this job has not ended. Run #{first.pk} of this job"
    assert words in check(told(second), "claimed-1").text


def test_an_explanation_costs_the_same_however_many_runs_there_are(node, django_assert_max_num_queries):
    job = engine_rows.job()
    runs = [engine_rows.queued(job) for _ in range(30)]
    run = Run.objects.select_related("job", "tenant", "revision", "schedule").get(pk=runs[-1].pk)
    with django_assert_max_num_queries(14):
        explain_run(run)
