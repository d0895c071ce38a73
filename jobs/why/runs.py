"""Why a run exists, waits, ran, ended or did not run."""

from __future__ import annotations

from django.utils.translation import gettext as _

from jobs import look, reasons
from jobs.models import Run
from jobs.states import ACTIVE, ReasonCode, RunStatus
from jobs.why.attempts import attempt_checks
from jobs.why.created import created_checks
from jobs.why.ended import cause_text, ended_checks
from jobs.why.facts import RunFacts, run_facts
from jobs.why.timing import timing_checks
from jobs.why.verdict import Check, Explanation, Mark, Part, first_failed
from jobs.why.waiting import waiting_checks


def explain_run(run: Run, *, is_platform: bool = False) -> Explanation:
    """The whole story of a run, in the active language. `is_platform`: the reader may know the machines' figures."""
    return explain_facts(run_facts(run), is_platform=is_platform)


def explain_facts(facts: RunFacts, *, is_platform: bool) -> Explanation:
    """PURE but for the words."""
    checks = created_checks(facts)
    if facts.run.status == RunStatus.QUEUED:
        checks += waiting_checks(facts, is_platform=is_platform)
    checks += attempt_checks(facts)
    checks += ended_checks(facts, is_platform=is_platform)
    checks += timing_checks(facts)
    answer = _answer(facts, checks)
    return Explanation(headline=_headline(facts, answer), checks=tuple(checks), answer=answer.key if answer else "")


def _answer(facts: RunFacts, checks: list[Check]) -> Check | None:
    """The check that decided: what holds a queued run, or how an ended one ended."""
    run = facts.run
    if run.status == RunStatus.QUEUED:
        return first_failed(checks, Part.WAITING)
    if run.status in ACTIVE or run.status == RunStatus.SUCCEEDED:
        return None
    return next((check for check in checks if check.part == Part.ENDED and check.mark == Mark.FAILED), None)


def _headline(facts: RunFacts, answer: Check | None) -> str:
    run = facts.run
    if run.status == RunStatus.QUEUED:
        if answer is not None:
            return _("It waits: %(why)s") % {"why": answer.text}
        return _("Nothing holds it back: it starts with the next look of a worker.")
    if run.status == RunStatus.RUNNING:
        began = run.started_at or run.created_at
        values = {"for": look.seconds_text(facts.now - began), "at": reasons.time_text(began)}
        if run.cancel_requested_at is not None:
            return _("It runs since %(at)s (%(for)s) and is being cancelled.") % values
        return _("It runs since %(at)s (%(for)s).") % values
    if run.status == RunStatus.SUCCEEDED:
        return _succeeded(facts)
    if run.reason_code in ReasonCode.values or run.reason:
        return cause_text(run)
    return str(look.look_of(run.status).label)


def _succeeded(facts: RunFacts) -> str:
    run = facts.run
    took = run.ended_at - run.started_at if run.ended_at and run.started_at else None
    values = {"tries": len(facts.attempts), "took": look.seconds_text(took)}
    if len(facts.attempts) > 1:
        return _("It ran and succeeded at attempt %(tries)d, after %(took)s.") % values
    return _("It ran and succeeded after %(took)s.") % values
