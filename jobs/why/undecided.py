"""A fire time of the past without a row: nobody decided it, or its row is gone."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from jobs import look, reasons
from jobs.models import Outage
from jobs.policies import MisfirePolicy
from jobs.why.machinery import beat_check
from jobs.why.moments import MomentFacts, ScheduleAt
from jobs.why.verdict import Check, Fix, Part, Place, failed, not_applicable, unknown

HERE = Part.RUNS


def undecided_checks(facts: MomentFacts, *, is_platform: bool) -> Iterator[Check]:
    """For each schedule that was due and has no row."""
    due = [each for each in facts.expected if each.is_rule_known]
    if not due:
        yield not_applicable("runs", HERE, _("There is no run of this minute."))
        return
    for number, each in enumerate(due, start=1):
        yield _schedule_check(facts, each, f"undecided-{number}")
    if any(each.fires[-1] > each.schedule.cursor_at for each in due):
        yield beat_check(facts.machinery, part=Part.MACHINERY, is_platform=is_platform, matters=True)


def _schedule_check(facts: MomentFacts, each: ScheduleAt, key: str) -> Check:
    fire, schedule = each.fires[-1], each.schedule
    values = {"at": reasons.time_text(fire)}
    if fire <= schedule.cursor_at:
        words = _("The fire time %(at)s was decided, but its run is no longer kept: the history before it was deleted.")
        return unknown(key, HERE, words % values, fix=Fix(place=Place.HISTORY, pk=facts.job.pk))
    late = facts.now - fire
    values |= {"late": look.seconds_text(late), "rule": str(MisfirePolicy(schedule.misfire).label)}
    values["grace"] = look.seconds_text(schedule.grace)
    if late <= schedule.grace:
        words = _("The fire time %(at)s has not been decided yet (%(late)s ago); within %(grace)s it still runs.")
        return failed(key, HERE, words % values)
    words = _(
        "The fire time %(at)s has not been decided yet (%(late)s ago), and that is more than the grace period of "
        "%(grace)s: as soon as the scheduler is back, the misfire rule applies: %(rule)s."
    )
    return failed(key, HERE, words % values, fix=Fix(place=Place.SCHEDULES, pk=facts.job.pk))


def outage_checks(facts: MomentFacts, *, is_platform: bool) -> Iterator[Check]:
    """Outages that lay over the minute."""
    for number, outage in enumerate(facts.outages, start=1):
        if outage.subject.startswith("queue:") and outage.subject != f"queue:{facts.job.queue}":
            continue
        fix = Fix(place=Place.OUTAGES, pk=outage.pk) if is_platform else None
        ran = bool(facts.runs)
        make = unknown if ran else failed
        yield make(f"outage-{number}", Part.MACHINERY, outage_text(outage), fix=fix)


def outage_text(outage: Outage) -> str:
    """What was silent, from when to when."""
    values = {
        "what": subject_text(outage.subject),
        "from": reasons.time_text(outage.began_at),
        "to": reasons.time_text(outage.ended_at) if outage.ended_at else "",
    }
    if outage.ended_at is None:
        return _("%(what)s has been silent since %(from)s.") % values
    return _("%(what)s was silent from %(from)s to %(to)s.") % values


def subject_text(subject: str) -> str:
    if subject.startswith("queue:"):
        return _("The queue “%(queue)s”") % {"queue": subject.partition(":")[2]}
    known = {
        "beat": _("The scheduler (beat)"),
        "broker": _("The broker"),
        "worker": _("Every worker"),
        "workers": _("Every worker"),
    }
    return known.get(subject, subject)
