"""Who comes next: priority, then fairness between tenants, then age."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.engine import candidates
from jobs.engine import claim as claim_module
from jobs.engine.candidates import Head, Line, PassedOver, fair_order, waiting_tenants
from jobs.engine.claim import claim
from jobs.engine.offer import Offer
from jobs.models import Job, Run
from jobs.runs import claim_order
from tests.jobs import rows as plain
from tests.jobs.engine import rows

NOW = plain.NOW
MINUTE = timedelta(minutes=1)


def head(run, tenant, waited=MINUTE, priority=0):
    return Head(run=run, tenant=tenant, claim_order_at=claim_order(NOW - waited, priority))


def order(*heads, running=None):
    return [head.run for head in fair_order(heads, running or {}, now=NOW)]


def test_tenants_take_turns():
    assert order(head(1, 1), head(2, 1), head(3, 1), head(4, 2), head(5, 2)) == [1, 4, 2, 5, 3]


def test_the_tenant_with_fewer_running_runs_comes_first():
    assert order(head(1, 1), head(2, 1), head(3, 2), running={1: 1}) == [3, 1, 2]


def test_a_point_of_priority_goes_before_fairness():
    assert order(head(1, 1), head(2, 2, priority=1), head(3, 2, priority=1)) == [2, 3, 1]


@pytest.mark.parametrize(("waited", "first"), [(timedelta(minutes=9), 2), (timedelta(minutes=31), 1)])
def test_ten_minutes_of_waiting_are_worth_a_point(waited, first):
    assert order(head(1, 1, waited=waited), head(2, 2, waited=MINUTE, priority=2))[0] == first


@pytest.mark.django_db
def test_one_tenants_thousand_runs_do_not_hold_up_anothers_one():
    node = rows.node()
    busy = rows.job("busy", overlap="allow", overlap_limit=1000, of=plain.tenant("big"))
    for _ in range(10):
        rows.queued(busy)
    small = rows.queued(rows.job("small", of=plain.tenant("small")))
    taken = claim(node, "default", offer=Offer(slot=node.slot, kinds=rows.KINDS), lease=rows.LEASE, count=2)
    assert small.pk in {each.run.pk for each in taken}


@pytest.mark.django_db
def test_one_claim_takes_as_many_as_there_are_slots_and_no_more_than_the_job_allows():
    node = rows.node()
    job = rows.job(overlap="allow", overlap_limit=3)
    for _ in range(5):
        rows.queued(job)
    taken = claim(node, "default", offer=Offer(slot=node.slot, kinds=rows.KINDS), lease=rows.LEASE, count=8)
    assert len(taken) == 3
    assert Run.objects.filter(status="running").count() == 3
    assert len({each.attempt.pk for each in taken}) == 3


@pytest.mark.django_db
def test_a_quota_holds_within_one_claim():
    node = rows.node()
    job = rows.job(overlap="allow", overlap_limit=9)
    job.tenant.running_limit = 2
    job.tenant.save()
    for _ in range(5):
        rows.queued(job)
    assert len(claim(node, "default", offer=Offer(slot=node.slot, kinds=rows.KINDS), lease=rows.LEASE, count=8)) == 2


@pytest.mark.django_db
def test_each_tenant_that_waits_is_found_once():
    first, second = plain.tenant("a"), plain.tenant("b")
    for tenant in (first, second, second):
        rows.queued(rows.job(f"job-{Run.objects.count()}", of=tenant))
    rows.queued(rows.job("elsewhere", queue="slow", of=plain.tenant("c")))
    assert waiting_tenants("default") == [first.pk, second.pk]
    assert waiting_tenants("empty") == []


@pytest.mark.django_db
def test_a_run_meant_for_another_worker_is_left_to_it():
    run = rows.queued(rows.job(), target_slot="other/host")
    assert rows.take(rows.node()) is None
    assert rows.take(rows.node("w2", slot="other/host")).run.pk == run.pk


@pytest.mark.django_db
def test_a_retry_far_in_the_future_hides_nobody():
    rows.queued(rows.job("later", priority=100), not_before=timezone.now() + rows.HOUR)
    now = rows.queued(rows.job("now"))
    assert rows.take(rows.node()).run.pk == now.pk


@pytest.fixture
def few(monkeypatch):
    """Two tenants are compared at a time."""
    monkeypatch.setattr(candidates, "MOST_TENANTS", 2)


def crowd(count=4, **fields):
    """So many tenants with a run each."""
    return [rows.queued(rows.job(f"job-{n}", of=plain.tenant(f"t{n}")), **fields) for n in range(count)]


@pytest.mark.django_db
def test_a_due_run_is_found_behind_many_tenants_whose_runs_are_not_due(few):
    crowd(5, not_before=timezone.now() + rows.HOUR)
    due = rows.queued(rows.job("due", of=plain.tenant("last")))
    assert rows.take(rows.node()).run.pk == due.pk


@pytest.mark.django_db
def test_a_due_run_is_found_behind_many_tenants_whose_jobs_are_blocked(few):
    for run in crowd(5):
        run.job.requires = ["a-graphics-card"]
        run.job.save()
    due = rows.queued(rows.job("due", of=plain.tenant("last")))
    assert rows.take(rows.node()).run.pk == due.pk


@pytest.mark.django_db
def test_nothing_more_is_asked_when_the_first_tenants_have_runs_enough(few, django_assert_num_queries):
    crowd(6)
    line = Line(queue="default", slot="h/w1", passed=PassedOver(), due=timezone.now())
    with transaction.atomic(), django_assert_num_queries(2 + 2 + 1):  # tenants, running; two heads; the lock
        runs, were_all = line.lock_next(1)
    assert (len(runs), were_all) == (1, False)


@pytest.mark.django_db
def test_runs_that_others_are_looking_at_are_passed_over(monkeypatch):
    *held, free = crowd(3)
    lock = Line._lock

    def lock_all_but_held(self, which, params, **how):
        return [run for run in lock(self, which, params, **how) if run not in held]

    monkeypatch.setattr(Line, "_lock", lock_all_but_held)
    monkeypatch.setattr(candidates, "fair_order", lambda heads, *rest, **how: sorted(heads, key=lambda each: each.run))
    assert rows.take(rows.node()).run.pk == free.pk


@pytest.mark.django_db
def test_a_run_behind_many_blocked_jobs_is_reached_with_few_questions(monkeypatch):
    monkeypatch.setattr(claim_module, "MOST_LOOKS", 8)
    for number in range(60):
        rows.queued(rows.job(f"blocked-{number}", priority=1))
    Job.objects.update(requires=["a-graphics-card"])
    free, other = rows.queued(rows.job("free")), rows.queued(rows.job("other"))
    node = rows.node()
    with CaptureQueriesContext(connection) as asked:
        assert rows.take(node).run.pk == free.pk
    assert len(asked) < 100
    other.refresh_from_db()
    assert (other.status, other.wait_reason) == ("queued", "")  # a wider look takes no more than was asked for
