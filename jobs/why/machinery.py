"""The platform's own part in an answer: queue, workers, beat, broker. Tenants' staff get it in general words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import advice, look, outages, reasons
from jobs.states import WaitReason
from jobs.why.facts import Machinery
from jobs.why.verdict import Check, Fix, Part, Place, failed, not_applicable, passed

W = WaitReason


def queue_check(state: Machinery, *, part: Part, is_platform: bool) -> Check:
    """Paused, or at its limit."""
    row, values = state.row, {"queue": state.queue}
    fix = Fix(place=Place.QUEUES) if is_platform else None
    if row is None:
        return passed("queue", part, _("The queue “%(queue)s” is not paused and has no limit.") % values)
    if row.is_paused:
        words = _("The queue “%(queue)s” is paused: nothing of it is started.") % values
        return failed("queue", part, words, advice=advice.for_wait(W.QUEUE_PAUSED), fix=fix)
    if row.running_limit is None:
        return passed("queue", part, _("The queue “%(queue)s” is not paused and has no limit.") % values)
    numbers = values | {"count": state.queue_running, "limit": row.running_limit}
    if state.queue_running < row.running_limit:
        words = _("The queue “%(queue)s” is not paused and runs %(count)s of at most %(limit)s runs.")
        return passed("queue", part, words % numbers)
    words = _("The queue “%(queue)s” runs %(count)s of at most %(limit)s runs: the next starts when one ends.")
    return failed("queue", part, words % numbers, advice=advice.for_wait(W.QUEUE_LIMIT), fix=fix)


def workers_check(state: Machinery, *, part: Part, is_platform: bool) -> Check:
    """Whether anybody is there to take a run of the queue."""
    values: dict[str, object] = {"queue": state.queue}
    fix = Fix(place=Place.WORKERS) if is_platform else None
    if state.takers:
        words = ngettext(
            "%(count)d live worker serves the queue “%(queue)s”.",
            "%(count)d live workers serve the queue “%(queue)s”.",
            len(state.takers),
        )
        return passed("workers", part, words % (values | {"count": len(state.takers)}))
    if state.workers:
        words = _("Every live worker of the queue “%(queue)s” is draining: it takes no more runs.")
    elif state.last_worker is None:
        words = _("No worker has ever served the queue “%(queue)s”.")
    else:
        seen = state.last_worker.stopped_at or state.last_worker.last_seen_at
        values |= {"at": reasons.time_text(seen), "ago": look.seconds_text(state.now - seen)}
        words = _("No live worker serves the queue “%(queue)s”; the last one was seen %(ago)s ago, at %(at)s.")
    return failed("workers", part, words % values, advice=advice.for_wait(W.NO_CAPABLE_WORKER), fix=fix)


def beat_check(state: Machinery, *, part: Part, is_platform: bool, matters: bool) -> Check:
    """Beat creates the runs of schedules; what is queued already does not need it."""
    if not state.is_beat_silent:
        return passed("beat", part, _("The scheduler (beat) gives signs of life."))
    words = _("The scheduler (beat) gives no sign of life.")
    if state.beat_seen_at is not None:
        words = _("The scheduler (beat) has been silent since %(at)s.") % {"at": reasons.time_text(state.beat_seen_at)}
    if not matters:
        words = words + " " + _("That stops schedules, not this run.")
        return not_applicable("beat", part, words)
    fix = Fix(place=Place.OUTAGES) if is_platform else None
    todo = _("Start beat, or ask a platform admin to; what is missed meanwhile follows each schedule's misfire rule.")
    return failed("beat", part, words, advice=todo, fix=fix)


def broker_check(state: Machinery, *, part: Part, is_platform: bool) -> Check:
    """What the watchdog has noticed; a silent broker delays, it loses nothing."""
    outage = state.open_outage(outages.Subject.BROKER)
    if outage is None:
        return passed("broker", part, _("No outage of the broker has been noticed."))
    words = outages.sentence(outage)
    fix = Fix(place=Place.OUTAGES) if is_platform else None
    todo = _("Start the broker, or ask a platform admin to; nothing is lost.")
    return failed("broker", part, words, advice=todo, fix=fix)
