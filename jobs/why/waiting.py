"""What may hold a queued run back, rule by rule, in the order in which a claim asks."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import advice, look, reasons
from jobs.states import Origin, ReasonCode, WaitReason
from jobs.why.facts import MOST_AHEAD, RunFacts, offer_of
from jobs.why.machinery import beat_check, broker_check, queue_check, workers_check
from jobs.why.verdict import Check, Fix, Part, Place, failed, not_applicable, passed, unknown

HERE = Part.WAITING
W = WaitReason


def waiting_checks(facts: RunFacts, *, is_platform: bool) -> Iterator[Check]:
    """Every rule that can keep a queued run from starting."""
    yield time_check(facts)
    yield enabled_check(facts)
    yield tenant_check(facts)
    yield frozen_check(facts)
    yield overlap_check(facts)
    yield quota_check(facts)
    queue = facts.machinery
    yield queue_check(queue, part=HERE, is_platform=is_platform)
    if facts.run.is_container:
        yield not_applicable("workers", HERE, _("Any worker may split it into its parts."))
    else:
        yield target_check(facts, is_platform=is_platform)
        yield workers_check(queue, part=HERE, is_platform=is_platform)
        yield capable_check(facts, is_platform=is_platform)
        yield busy_check(facts, is_platform=is_platform)
        yield slots_check(facts, is_platform=is_platform)
    yield broker_check(queue, part=HERE, is_platform=is_platform)
    yield beat_check(queue, part=HERE, is_platform=is_platform, matters=False)
    yield last_word(facts)
    yield order_check(facts)


def time_check(facts: RunFacts) -> Check:
    run, now = facts.run, facts.now
    if run.not_before <= now:
        words = _("Its time came at %(at)s, %(ago)s ago.")
        ago = look.seconds_text(now - run.not_before)
        return passed("time", HERE, words % {"at": reasons.time_text(run.not_before), "ago": ago})
    left = look.seconds_text(run.not_before - now)
    values = {"left": left, "at": reasons.time_text(run.not_before)}
    if run.wait_reason == W.RETRY_BACKOFF:
        numbers = {"number": run.tries_used + 1, "all": facts.retry.max + 1}
        words = _("It waits before the next try: try %(number)d of %(all)d starts in %(left)s, at %(at)s.")
        return failed(
            "retry_backoff",
            HERE,
            words % {**values, **numbers},
            advice=advice.for_wait(W.RETRY_BACKOFF),
            fix=_job(facts),
        )
    words = _("Its time has not come: it may start in %(left)s, at %(at)s.") % values
    return failed("time", HERE, f"{words} {reasons.of(run)}".strip(), advice=advice.for_wait(W.TIME))


def enabled_check(facts: RunFacts) -> Check:
    if facts.job.is_enabled:
        return passed("job_enabled", HERE, _("The job is enabled."))
    if facts.run.origin != Origin.SCHEDULE:
        words = _("The job is disabled, but that only stops its schedules: this run was asked for and starts.")
        return passed("job_enabled", HERE, words)
    words = _("The job is disabled: the next worker that looks at this run ends it as skipped.")
    return failed("job_enabled", HERE, words, advice=advice.for_reason(ReasonCode.JOB_DISABLED), fix=_job(facts))


def tenant_check(facts: RunFacts) -> Check:
    if facts.tenant.is_active:
        return passed("tenant_active", HERE, _("The tenant is active."))
    words = _("The tenant is disabled: the next worker that looks at this run ends it as skipped.")
    fix = Fix(place=Place.TENANT, pk=facts.tenant.pk)
    return failed("tenant_active", HERE, words, advice=advice.for_reason(ReasonCode.TENANT_DISABLED), fix=fix)


def frozen_check(facts: RunFacts) -> Check:
    if facts.run.despite_freeze:
        return not_applicable("frozen", HERE, _("It was confirmed to run despite a change freeze."))
    if facts.frozen is None:
        return passed("frozen", HERE, _("No change freeze holds it."))
    fix = Fix(place=Place.FREEZES)
    return failed("frozen", HERE, facts.frozen.text, advice=advice.for_wait(W.FROZEN), fix=fix)


def overlap_check(facts: RunFacts) -> Check:
    if facts.run.parent_id is not None:
        return not_applicable("overlap", HERE, _("Parts of one run may run side by side."))
    limit = facts.running_limit
    if facts.running_count < limit:
        if not facts.running_count:
            return passed("overlap", HERE, _("No other run of the job is in its way."))
        words = _("%(count)d of at most %(limit)d runs of the job run.")
        return passed("overlap", HERE, words % {"count": facts.running_count, "limit": limit})
    names = ", ".join(f"#{pk}" for pk in facts.in_the_way)
    if facts.running_count > len(facts.in_the_way):
        names += ", …"
    words = ngettext(
        "Run %(runs)s of this job has not ended, and at most %(limit)d may run at once.",
        "Runs %(runs)s of this job have not ended, and at most %(limit)d may run at once.",
        len(facts.in_the_way),
    ) % {"runs": names, "limit": limit}
    fix = Fix(place=Place.RUN, pk=facts.in_the_way[0])
    return failed("overlap", HERE, words, advice=advice.for_wait(W.OVERLAP), fix=fix)


def quota_check(facts: RunFacts) -> Check:
    limit = facts.tenant.running_limit
    if limit is None:
        return not_applicable("tenant_quota", HERE, _("The tenant has no limit of runs at once."))
    values = {"count": facts.tenant_running, "limit": limit}
    if facts.tenant_running < limit:
        return passed("tenant_quota", HERE, _("The tenant runs %(count)d of at most %(limit)d runs.") % values)
    words = _("The tenant runs %(count)d of at most %(limit)d runs: this one waits for one of them to end.")
    fix = Fix(place=Place.HISTORY)
    return failed("tenant_quota", HERE, words % values, advice=advice.for_wait(W.TENANT_QUOTA), fix=fix)


def target_check(facts: RunFacts, *, is_platform: bool) -> Check:
    slot = facts.run.target_slot
    if not slot:
        return not_applicable("target_node", HERE, _("It is not meant for a certain worker."))
    name = slot.rpartition("/")[2]
    node = next((worker for worker in facts.machinery.workers if worker.slot == slot), None)
    if node is None:
        words = _("It is meant for the worker “%(worker)s”, which gives no sign of life.")
    elif node not in facts.machinery.takers:
        words = _("It is meant for the worker “%(worker)s”, which takes no more runs (it is draining).")
    else:
        return passed(
            "target_node", HERE, _("The worker “%(worker)s”, for which it is meant, is there.") % {"worker": name}
        )
    fix = Fix(place=Place.WORKERS) if is_platform else None
    return failed("target_node", HERE, words % {"worker": name}, advice=advice.for_wait(W.TARGET_NODE), fix=fix)


def capable_check(facts: RunFacts, *, is_platform: bool) -> Check:
    """Whether any live worker of the queue will ever take a job like this."""
    workers = facts.machinery.takers
    if not workers:
        return not_applicable("capable", HERE, _("There is no worker to ask what it can run."))
    refusals = [_lasting(facts, offer_of(worker).refusal(facts.job)) for worker in workers]
    able = sum(refusal is None for refusal in refusals)
    values = {"count": able, "all": len(workers), "kind": facts.job.kind}
    if able:
        words = _("%(count)d of %(all)d live workers of the queue can run this kind of job (%(kind)s).")
        return passed("capable", HERE, words % values)
    words = _("None of the %(all)d live workers of the queue can run this job (%(kind)s).") % values
    why = sorted({refusal.text for refusal in refusals if refusal is not None})
    words = " ".join([words, *why[:3]])
    fix = Fix(place=Place.WORKERS) if is_platform else _job(facts)
    return failed("capable", HERE, words, advice=advice.for_wait(W.NO_CAPABLE_WORKER), fix=fix)


def _lasting(facts: RunFacts, refusal: reasons.Reason | None) -> reasons.Reason | None:
    return refusal if refusal is not None and refusal.code == W.NO_CAPABLE_WORKER else None


def busy_check(facts: RunFacts, *, is_platform: bool) -> Check:
    able = [w for w in facts.machinery.takers if _lasting(facts, offer_of(w).refusal(facts.job)) is None]
    if not able:
        return not_applicable("node_busy", HERE, _("There is no worker whose load could matter."))
    waited = facts.now - facts.run.not_before
    refusals = [offer_of(worker).refusal(facts.job, waited=waited) for worker in able]
    free = sum(refusal is None for refusal in refusals)
    if free:
        words = ngettext(
            "The machine of %(count)d worker that could take it has room.",
            "The machines of %(count)d workers that could take it have room.",
            free,
        )
        return passed("node_busy", HERE, words % {"count": free})
    words = _("Every machine that could take it is too busy.")
    if is_platform:
        figures = [_figures(worker) for worker in able[:5]]
        words = " ".join([words, *sorted({refusal.text for refusal in refusals if refusal})[:3], *figures])
    fix = Fix(place=Place.WORKERS) if is_platform else None
    return failed("node_busy", HERE, words, advice=advice.for_wait(W.NODE_BUSY), fix=fix)


def _figures(worker: object) -> str:
    words = _("%(worker)s: CPU %(cpu).0f %%, memory %(memory).0f %%.")
    return words % {
        "worker": getattr(worker, "name", ""),
        "cpu": getattr(worker, "cpu_percent", 0.0),
        "memory": getattr(worker, "memory_percent", 0.0),
    }


def slots_check(facts: RunFacts, *, is_platform: bool) -> Check:
    workers = facts.machinery.takers
    if not workers:
        return not_applicable("slots", HERE, _("There is no worker whose slots could be free."))
    capacity = sum(worker.capacity for worker in workers)
    taken = sum(min(worker.running_count, worker.capacity) for worker in workers)
    values = {"taken": taken, "capacity": capacity}
    if taken < capacity:
        return passed(
            "slots", HERE, _("%(taken)d of the %(capacity)d slots of the queue's workers are taken.") % values
        )
    words = _("All %(capacity)d slots of the queue's workers are taken: it starts when one is free.") % values
    fix = Fix(place=Place.WORKERS) if is_platform else None
    return failed("slots", HERE, words, advice=advice.for_wait(W.NODE_BUSY), fix=fix)


def last_word(facts: RunFacts) -> Check:
    """What the engine itself wrote on the run when it last looked at it."""
    run = facts.run
    words = reasons.of(run)
    if not run.wait_reason:
        return not_applicable("last_word", HERE, _("No worker has looked at it yet and left it waiting."))
    label = str(WaitReason(run.wait_reason).label) if run.wait_reason in WaitReason.values else run.wait_reason
    if run.wait_reason == W.RETRY_BACKOFF or not words:
        return passed("last_word", HERE, _("The engine's own word: %(label)s.") % {"label": label})
    return passed(
        "last_word", HERE, _("The engine's own word: %(label)s. %(words)s") % {"label": label, "words": words}
    )


def order_check(facts: RunFacts) -> Check:
    if facts.run.not_before > facts.now:
        return not_applicable("order", HERE, _("Its place in the queue counts from its time on."))
    if not facts.ahead:
        return passed("order", HERE, _("No run of the queue comes before it."))
    if facts.ahead > MOST_AHEAD:
        words = _("More than %(count)d runs of the queue come before it by priority and age.") % {"count": MOST_AHEAD}
        return unknown("order", HERE, words)
    words = ngettext(
        "%(count)d run of the queue comes before it by priority and age.",
        "%(count)d runs of the queue come before it by priority and age.",
        facts.ahead,
    )
    return passed("order", HERE, words % {"count": facts.ahead})


def _job(facts: RunFacts) -> Fix:
    return Fix(place=Place.JOB, pk=facts.job.pk)
