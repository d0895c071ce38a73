"""Why a fire time was excluded or moved, in the words of `jobs.reasons`. PURE."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from jobs.reasons import Reason, say
from jobs.scheduling.calendars import BLACKOUT, FROZEN, HOLIDAY, Closure
from jobs.scheduling.exclusions import MERGED, MOVED, Outcome, Rule
from jobs.scheduling.plan import Excluded
from jobs.states import ReasonCode


def excluded_reason(span: Excluded, rule: Rule, rule_args: list[str]) -> Reason:
    """Of a skipped row; of a row for many instants with their number and the rule that lists them."""
    reason = outcome_reason(span.outcome, rule)
    if span.count == 1:
        return reason
    return say(reason.code, "any.many_excluded", count=span.count, last_at=span.last, why=reason, rule=rule_args)


def outcome_reason(outcome: Outcome, rule: Rule, *, is_known: bool = False) -> Reason:
    """Why this instant does not run, or not then. `is_known`: a moved one was moved in time."""
    closure = outcome.closure
    assert closure is not None  # noqa: S101 - what is open needs no reason
    if closure.kind == FROZEN:
        return frozen_reason(ReasonCode.FROZEN, closure)
    if closure.kind == BLACKOUT:
        return say(ReasonCode.CALENDAR, "calendar.blackout", window=closure.name, until_at=closure.end)
    date = _date_of(outcome, rule)
    if outcome.what == MERGED:
        return say(ReasonCode.CALENDAR, "calendar.merged", date=date, calendar=closure.source, into_at=outcome.into)
    if outcome.what == MOVED and not is_known:
        return say(ReasonCode.CALENDAR, "calendar.too_late", date=date, calendar=closure.source, moved_at=outcome.at)
    if closure.kind == HOLIDAY and closure.name:
        return say(ReasonCode.CALENDAR, "calendar.holiday", date=date, calendar=closure.source, day=closure.name)
    return say(ReasonCode.CALENDAR, "calendar.weekend", date=date, calendar=closure.source)


def frozen_reason(code: str, closure: Closure) -> Reason:
    """The sentence that names a freeze, why it is, and when it ends."""
    known = {"freeze": closure.name, "why": closure.note, "freeze_id": closure.source_id}
    if closure.end is None:
        return say(code, "frozen.open", **known)
    return say(code, "frozen", **known, until_at=closure.end)


def moved_reason(outcome: Outcome, rule: Rule) -> Reason:
    """Of a queued run that keeps its nominal instant and runs at another."""
    calendar = rule.calendar.name if rule.calendar else ""
    return say(ReasonCode.NONE, "calendar.moved", from_at=outcome.nominal, calendar=calendar, moved_at=outcome.at)


def _date_of(outcome: Outcome, rule: Rule) -> str:
    zone = ZoneInfo(rule.calendar.timezone if rule.calendar else "UTC")
    return outcome.nominal.astimezone(zone).date().isoformat()
