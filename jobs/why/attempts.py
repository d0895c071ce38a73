"""Why each attempt ended as it did, and was or was not tried again: the retry rule, replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _

from jobs import advice, look, reasons
from jobs.engine.settle import MOST_LOST, Counters, settle
from jobs.models import Attempt
from jobs.policies import BackoffPolicy, RetryPolicy
from jobs.states import AttemptStatus, ReasonCode, RunStatus
from jobs.why.facts import MOST_ATTEMPTS, RunFacts
from jobs.why.verdict import Check, Fix, Mark, Part, Place, not_applicable, unknown

HERE = Part.ATTEMPTS
A = AttemptStatus


@dataclass(frozen=True, kw_only=True)
class Step:
    """One ended attempt: the counters after it, and whether the rule tries again (and how long that waits)."""

    attempt: Attempt
    after: Counters
    retried: bool
    delay: timedelta


def attempt_checks(facts: RunFacts) -> Iterator[Check]:
    if facts.run.is_container:
        yield _container(facts)
        return
    if not facts.attempts:
        yield not_applicable("attempts", HERE, _("No worker has started it."))
        return
    if facts.attempts[0].number > 1:
        words = _("It has %(count)d attempts; the last %(shown)d are explained.")
        values = {"count": facts.attempts[-1].number, "shown": len(facts.attempts)}
        yield unknown("attempts", HERE, words % values)
    last = facts.attempts[-1]
    is_cancelled = facts.run.status == RunStatus.CANCELLED or facts.run.cancel_requested_at is not None
    steps = replay(
        facts.attempts,
        retry=facts.retry,
        is_idempotent=facts.is_idempotent,
        is_cancelled=is_cancelled,
        last=last,
        started=_started_counters(facts),
    )
    for step in steps:
        yield _step_check(facts, step, is_last=step.attempt is last, is_cancelled=is_cancelled)
    if last.ended_at is None:
        yield _running(facts, last)


def replay(
    attempts: Sequence[Attempt],
    *,
    retry: RetryPolicy,
    is_idempotent: bool,
    is_cancelled: bool,
    last: Attempt | None = None,
    started: Counters | None = None,
) -> Iterator[Step]:
    """PURE: what the engine's rule says after each ended attempt. A cancel counts for the last one only."""
    before = started or Counters(tries_used=0, lost_count=0, released_count=0)
    for attempt in attempts:
        if attempt.ended_at is None:
            return
        settled = settle(
            AttemptStatus(attempt.status),
            before,
            retry=retry,
            is_idempotent=is_idempotent,
            is_cancelled=is_cancelled and attempt is last,
        )
        yield Step(
            attempt=attempt,
            after=settled.counters,
            retried=settled.status == RunStatus.QUEUED,
            delay=settled.delay,
        )
        before = settled.counters


def policy_words(retry: RetryPolicy) -> str:
    """The back-off in words: "exponential from 10 s, at most 10 min"."""
    kind = str(BackoffPolicy(retry.backoff).label) if retry.backoff in BackoffPolicy.values else retry.backoff
    values = {"kind": kind, "base": look.seconds_text(retry.base), "cap": look.seconds_text(retry.cap)}
    return _("back-off: %(kind)s from %(base)s, at most %(cap)s, ±50 %%") % values


def _started_counters(facts: RunFacts) -> Counters | None:
    """Of very many attempts only the last are read; what went before is the difference to the run's own counters."""
    if len(facts.attempts) < MOST_ATTEMPTS or facts.attempts[0].number == 1:
        return None
    ended = [attempt.status for attempt in facts.attempts if attempt.ended_at is not None]
    lost, released = ended.count(A.LOST), ended.count(A.RELEASED)
    run = facts.run
    return Counters(
        tries_used=max(0, run.tries_used - (len(ended) - lost - released)),
        lost_count=max(0, run.lost_count - lost),
        released_count=max(0, run.released_count - released),
    )


def _step_check(facts: RunFacts, step: Step, *, is_last: bool, is_cancelled: bool) -> Check:
    attempt = step.attempt
    values = {
        "number": attempt.number,
        "worker": attempt.worker_name or "?",
        "took": look.seconds_text((attempt.ended_at or facts.now) - attempt.started_at),
        "status": str(AttemptStatus(attempt.status).label),
    }
    words = [_("Attempt %(number)d on %(worker)s took %(took)s: %(status)s.") % values]
    if attempt.status != A.SUCCEEDED:
        words += [_sentence(reasons.of(attempt))]
    was_retried = not is_last or facts.run.status == RunStatus.QUEUED
    words += [_retried_words(facts, step) if was_retried else _final_words(facts, step, is_cancelled)]
    good = attempt.status in (A.SUCCEEDED, A.RELEASED)
    return Check(
        key=f"attempt-{attempt.number}",
        part=HERE,
        mark=Mark.PASSED if good else Mark.FAILED,
        text=" ".join(word for word in words if word),
        advice="" if good else advice.for_reason(attempt.reason_code),
        fix=None if good else Fix(place=Place.LOG, pk=facts.run.pk),
    )


def _sentence(words: str) -> str:
    """A script's own words may lack the full stop before ours."""
    return words if not words or words[-1] in ".!?。！？…" else f"{words}."


def _retried_words(facts: RunFacts, step: Step) -> str:
    status = step.attempt.status
    if status == A.RELEASED:
        return _("Its worker gave it back; that uses up no try.")
    if status == A.LOST:
        words = _("A lost worker uses up no try: %(lost)d of at most %(most)d losses. It was queued again at once.")
        return words % {"lost": step.after.lost_count, "most": MOST_LOST}
    values = {"next": step.after.tries_used + 1, "all": facts.retry.max + 1, "rule": policy_words(facts.retry)}
    if facts.run.status == RunStatus.QUEUED and step.attempt is facts.attempts[-1]:
        values["at"] = reasons.time_text(facts.run.not_before)
        return _("Try %(next)d of %(all)d is due at %(at)s (%(rule)s).") % values
    values["delay"] = look.seconds_text(step.delay)
    return _("It was tried again: try %(next)d of %(all)d, after about %(delay)s (%(rule)s).") % values


def _final_words(facts: RunFacts, step: Step, is_cancelled: bool) -> str:
    status, run = step.attempt.status, facts.run
    if status == A.SUCCEEDED:
        return ""
    if status == A.BUSINESS_FAILURE:
        return _("Not tried again: business failures never are, for the same input gives the same answer.")
    if is_cancelled or status == A.CANCELLED:
        return _("Not tried again: the run was cancelled.")
    if status == A.LOST:
        if run.reason_code == ReasonCode.NOT_IDEMPOTENT:
            return _("Not tried again: the job is marked as not to run twice, and nobody knows how far it came.")
        return _("Not tried again: %(lost)d workers were lost, the most a run survives.") % {"lost": MOST_LOST}
    if facts.retry.max == 0:
        return _("Not tried again: the job has no retries.")
    return _("Not tried again: all %(all)d tries are used up.") % {"all": step.after.tries_used}


def _running(facts: RunFacts, attempt: Attempt) -> Check:
    values = {
        "number": attempt.number,
        "worker": attempt.worker_name or "?",
        "took": look.seconds_text(facts.now - attempt.started_at),
    }
    if facts.run.cancel_requested_at is not None:
        words = _("Attempt %(number)d on %(worker)s has been running for %(took)s; it was asked to stop.")
    else:
        words = _("Attempt %(number)d on %(worker)s has been running for %(took)s.")
    return Check(key=f"attempt-{attempt.number}", part=HERE, mark=Mark.PASSED, text=words % values)


def _container(facts: RunFacts) -> Check:
    counts = ", ".join(
        f"{RunStatus(status).label} {count}"
        for status, count in sorted(facts.parts.items())
        if status in RunStatus.values
    )
    words = _("It is made of %(total)d parts: %(counts)s.") % {"total": sum(facts.parts.values()), "counts": counts}
    return Check(key="parts", part=HERE, mark=Mark.PASSED, text=words, fix=Fix(place=Place.RUN, pk=facts.run.pk))
