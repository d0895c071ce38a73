"""A fire time of the past without a row: nobody decided it, or its row is gone."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from jobs import look, outages, reasons
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
    """Outages that lay over the minute; a run that came of it in spite of them is not held back by one."""
    make = unknown if facts.runs else failed
    for number, outage in enumerate(facts.outages, start=1):
        fix = Fix(place=Place.OUTAGES, pk=outage.pk) if is_platform else None
        todo = outages.advice(outage) if is_platform and outage.ended_at is None else ""
        yield make(f"outage-{number}", Part.MACHINERY, outages.sentence(outage), advice=todo, fix=fix)
