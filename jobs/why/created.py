"""Who or what asked for a run."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import look, reasons
from jobs.models import Run, Schedule
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.describe import describe
from jobs.states import Origin
from jobs.why.facts import RunFacts
from jobs.why.verdict import Check, Fix, Part, Place, passed, unknown

HERE = Part.CREATED


def created_checks(facts: RunFacts) -> list[Check]:
    run = facts.run
    checks = [_origin(facts)]
    if run.coalesced > 1:
        words = ngettext(
            "It stands for %(count)d fire time that came due while nothing could be decided.",
            "It stands for %(count)d fire times that came due while nothing could be decided.",
            run.coalesced,
        )
        checks.append(passed("coalesced", HERE, words % {"count": run.coalesced}))
    if run.rerun_of_id is not None:
        fix = Fix(place=Place.RUN, pk=run.rerun_of_id)
        words = _("It repeats run #%(run)d, with the same parameters.") % {"run": run.rerun_of_id}
        checks.append(passed("rerun_of", HERE, words, fix=fix))
    if run.parent_id is not None:
        checks.append(passed("part_of", HERE, _part_words(run), fix=Fix(place=Place.RUN, pk=run.parent_id)))
    return checks


def schedule_text(schedule: Schedule) -> str:
    """The rule in words, with its zone: "at 09:00 every day (0 9 * * *, Asia/Shanghai)"."""
    zone = schedule.timezone or settings.TIME_ZONE
    try:
        words = describe(schedule.kind, schedule.expression, zone)
    except TriggerError:
        return f"{schedule.expression} ({zone})"
    return f"{words} ({schedule.expression}, {zone})"


def _origin(facts: RunFacts) -> Check:
    run = facts.run
    at = reasons.time_text(run.created_at)
    who = run.requested_by.get_username() if run.requested_by else ""
    match run.origin:
        case Origin.SCHEDULE:
            return _scheduled(facts)
        case Origin.MANUAL if who:
            return passed("origin", HERE, _("%(user)s asked for it at %(at)s.") % {"user": who, "at": at})
        case Origin.MANUAL:
            return passed("origin", HERE, _("It was asked for by hand or by a command at %(at)s.") % {"at": at})
        case Origin.API:
            key = run.dedupe_key.split(":", 2)[-1][:80]
            words = _("It was asked for through the API at %(at)s, with the idempotency key “%(key)s”.")
            return passed("origin", HERE, words % {"at": at, "key": key})
        case Origin.BACKFILL:
            values = {"at": at, "due": reasons.time_text(run.scheduled_for)}
            words = _("A backfill created it at %(at)s for the fire time %(due)s.")
            return passed("origin", HERE, words % values, fix=Fix(place=Place.BACKFILLS, pk=facts.job.pk))
        case Origin.WORKFLOW | Origin.AFTER:
            words = _("%(origin)s asked for it at %(at)s.")
            return passed("origin", HERE, words % {"origin": run.get_origin_display(), "at": at})
    return unknown("origin", HERE, _("What asked for it is not recorded."))


def _scheduled(facts: RunFacts) -> Check:
    run = facts.run
    fix = Fix(place=Place.SCHEDULES, pk=facts.job.pk)
    values = {
        "due": reasons.time_text(run.scheduled_for),
        "late": look.seconds_text(run.created_at - run.scheduled_for),
    }
    if run.schedule is None:
        words = _("A schedule that has been deleted since was due at %(due)s; the run was created %(late)s later.")
        return passed("origin", HERE, words % values, fix=fix)
    values["rule"] = schedule_text(run.schedule)
    words = _("Its schedule “%(rule)s” was due at %(due)s; the run was created %(late)s later.")
    return passed("origin", HERE, words % values, fix=fix)


def _part_words(run: Run) -> str:
    values = {"run": run.parent_id, "number": (run.shard_index or 0) + 1, "total": run.shard_total or 0}
    if run.shard_total:
        return _("It is part %(number)d of %(total)d of run #%(run)d.") % values
    return _("It is a part of run #%(run)d.") % values
