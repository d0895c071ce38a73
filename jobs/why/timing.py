"""When what happened to a run, and what it waited for in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from jobs import look, reasons
from jobs.models import RunEvent
from jobs.states import RunStatus, WaitReason
from jobs.why.facts import RunFacts
from jobs.why.verdict import Check, Part, not_applicable, passed

HERE = Part.TIMING
SHORT = timedelta(seconds=1)


def timing_checks(facts: RunFacts) -> Iterator[Check]:
    """Due, created, claimed, ended: each with the time since it was due."""
    run = facts.run
    yield passed("due", HERE, _("Due at %(at)s.") % {"at": reasons.time_text(run.scheduled_for)})
    yield passed("created", HERE, _("Created %(since)s.") % {"since": since(run.scheduled_for, run.created_at)})
    claims = [event for event in facts.events if event.new == RunStatus.RUNNING]
    if not claims and run.started_at is None:
        yield not_applicable("claimed", HERE, _("No worker has taken it."))
    for number, event in enumerate(claims, start=1):
        values = {"since": since(run.scheduled_for, event.at), "number": number}
        words = _("Taken by a worker %(since)s.") if len(claims) == 1 else _("Taken (%(number)d) %(since)s.")
        yield passed(f"claimed-{number}", HERE, " ".join([words % values, *_waited(facts, event)]))
    if run.ended_at is not None:
        yield passed("ended", HERE, _("Ended %(since)s.") % {"since": since(run.scheduled_for, run.ended_at)})


def since(due: datetime, at: datetime) -> str:
    """+2.3 s, at 09:00:02; what was early, such as a clock that was put right, counts as at once."""
    gone = look.seconds_text(max(at - due, timedelta(0)))
    return _("+%(gone)s, at %(at)s") % {"gone": gone, "at": reasons.time_text(at)}


def _waited(facts: RunFacts, claim: RunEvent) -> Iterator[str]:
    """What the claim had written on the run before it took it; else how long it waited for a free slot."""
    words = reasons.of(claim)
    if claim.reason_code in WaitReason.values and claim.reason_code:
        label = str(WaitReason(claim.reason_code).label)
        yield _("Before that it had waited: %(label)s. %(words)s") % {"label": label, "words": words}
        return
    before = [event.at for event in facts.events if event.at <= claim.at and event.new == RunStatus.QUEUED]
    queued_at = max([*before, facts.run.created_at])
    if claim.at - queued_at > SHORT and len(before) < 2:
        gone = look.seconds_text(claim.at - queued_at)
        yield _("In between it waited %(gone)s for a worker with a free slot.") % {"gone": gone}
