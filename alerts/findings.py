"""What one ended run says to one alert rule: the verdict, its sentence and evidence, and what is kept of it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from alerts.baseline import Contract
from alerts.conditions import Judgement, Observation, Summary, earlier, judge, verdict_of
from alerts.happenings import Happening, under
from alerts.models import AlertCheck, AlertRow, AlertRule, AlertStatus
from alerts.rowdiff import RowDiff, diff
from alerts.signals import Verdict
from alerts.states import RUN_FAILURES, Source, Trigger
from alerts.wording import Sentence, say
from jobs.models import Run
from jobs.states import ReasonCode

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
SHOWN_ROWS = 100  # of the evidence that an incident keeps
LOOK_BACK = timedelta(minutes=45)  # around the same hour yesterday and a week ago
MOST_NEAR = 500  # checks of that while
RECENT = 6  # checks that tell how far apart they are
CONTRACT: TypeAdapter[Contract] = TypeAdapter(Contract)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`verdict` None: the run says nothing of the rule. `evidence` is {"columns", "rows", "total"} or {}."""

    verdict: Verdict | None
    sentence: Sentence | None = None
    value: float | None = None
    summary: Summary | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    rows: RowDiff | None = None
    cause: str = ""


NOTHING = Finding(verdict=None)


class Past(Protocol):
    """What came before, for conditions that compare: of a row of the ledger, or of a back-test's own memory."""

    def summaries(self, at: datetime) -> Sequence[Summary]:
        """The newest before `at`, and those around this hour a day and a week ago."""

    def times(self) -> Sequence[datetime]:
        """Of the last checks, the newest first."""

    def identities(self) -> Collection[str]:
        """Of the rows of last time."""

    def acknowledged(self) -> Collection[str]:
        """Of the rows that somebody has acknowledged."""


def look(rule: AlertRule, past: Past, happening: Happening) -> Finding:
    """The finding of a rule about an ended run of its job."""
    run, triggers = happening.run, happening.triggers
    if rule.source == Source.OUTCOME:
        return outcome(rule, happening)
    if Trigger.SUCCESS in triggers or (Trigger.BUSINESS_FAILURE in triggers and run.result is not None):
        return _result(rule, past, run, happening.at)
    if triggers & RUN_FAILURES:
        return Finding(
            verdict=Verdict.BROKEN,
            sentence=say("check.failed", why=dict(run.reason_args) or run.reason, run=run.pk),
            cause=cause_of(run),
        )
    return NOTHING


def cause_of(run: Run) -> str:
    """What a failed check is grouped by: the datasource that can't be reached, else the job whose check it is."""
    source = (run.revision.definition.get("params") or {}).get("datasource")
    if run.reason_code == ReasonCode.CONNECTION and source:
        return f"datasource:{source}"
    return f"job:{run.job_id}"


# --- how a run ended --------------------------------------------------------------------------------------------------


def outcome(rule: AlertRule, happening: Happening) -> Finding:
    """Bad when the run pulled a trigger the rule names, good when it is a success that did not."""
    run = happening.run
    odd = under(happening, contract_of(rule))
    triggers = happening.triggers | ({Trigger.SUSPICIOUS} if odd else set())
    pulled = triggers & {Trigger(name) for name in rule.outcomes if name in Trigger.values}
    if pulled:
        first = next(one for one in Trigger if one in pulled)
        why = odd.stored if odd and first == Trigger.SUSPICIOUS else dict(run.reason_args)
        words = say("outcome.is", outcome=first.value, run=run.pk, why=why or run.reason)
        return Finding(verdict=Verdict.BAD, sentence=words, value=1.0)
    if Trigger.SUCCESS in triggers:
        return Finding(verdict=Verdict.GOOD, sentence=say("outcome.fine", run=run.pk), value=0.0)
    return NOTHING


def contract_of(rule: AlertRule) -> Contract | None:
    try:
        return CONTRACT.validate_python(rule.contract) if rule.contract else None
    except ValidationError:
        return None


# --- what a run's table says ------------------------------------------------------------------------------------------


def _result(rule: AlertRule, past: Past, run: Run, at: datetime) -> Finding:
    observation = observe(run.result, at, past)
    if rule.is_row_level:
        return weigh_rows(rule.key_columns, past.identities(), set(past.acknowledged()), observation)
    return weigh(rule, observation)


def weigh(rule: AlertRule, observation: Observation) -> Finding:
    """The condition's word on one table; the recovery condition's where there is one."""
    alarm = judge(rule.condition, rule.condition_params, observation)
    recovery = None
    if rule.recovery_params is not None:
        recovery = judge(rule.condition, rule.recovery_params, observation)
    verdict = verdict_of(alarm, recovery)
    said: Judgement = recovery if recovery and verdict == Verdict.BROKEN and alarm.verdict != Verdict.BROKEN else alarm
    return Finding(
        verdict=verdict,
        sentence=said.sentence,
        value=said.value,
        summary=alarm.summary(observation.at),
        evidence=evidence_of(observation) if verdict in (Verdict.BAD, Verdict.BETWEEN) else {},
    )


def observe(result: Any, at: datetime, past: Past) -> Observation:
    """The table with what came before it."""
    expected = expected_interval(past.times())
    summaries = past.summaries(at)
    return Observation.of_result(
        result,
        at,
        last=max((one for one in summaries if one.at < at), key=lambda one: one.at, default=None),
        yesterday=earlier(summaries, at, DAY, expected),
        last_week=earlier(summaries, at, WEEK, expected),
        expected_interval=expected,
    )


def expected_interval(times: Sequence[datetime]) -> timedelta | None:
    """How far apart the checks usually are; the newest of `times` first."""
    gaps = sorted(newer - older for newer, older in itertools.pairwise(times[:RECENT]))
    return gaps[len(gaps) // 2] if gaps else None


@dataclass(frozen=True)
class Ledger:
    """The past as the ledger has it."""

    status: AlertStatus

    def summaries(self, at: datetime) -> list[Summary]:
        kept = AlertCheck.objects.filter(status=self.status, summary__isnull=False).order_by("-at")
        found = list(kept.filter(at__lt=at).values_list("summary", flat=True)[:1])
        slack = max(LOOK_BACK, expected_interval(self.times()) or timedelta(0))
        for ago in (DAY, WEEK):
            near = kept.filter(at__range=(at - ago - slack, at - ago + slack)).values_list("summary", flat=True)
            found += list(near[:MOST_NEAR])
        return [Summary.from_json(one) for one in found if one]

    def times(self) -> list[datetime]:
        checks = AlertCheck.objects.filter(status=self.status).order_by("-at")
        return list(checks.values_list("at", flat=True)[:RECENT])

    def identities(self) -> list[str]:
        return list(self.status.row_identities)

    def acknowledged(self) -> list[str]:
        rows = AlertRow.objects.filter(status=self.status, resolved_at=None).exclude(acknowledged_at=None)
        return list(rows.values_list("identity", flat=True))


def evidence_of(observation: Observation) -> dict[str, Any]:
    """What an incident keeps of the table."""
    return {
        "columns": list(observation.columns or ()),
        "rows": [list(row) for row in observation.rows[:SHOWN_ROWS]],
        "total": observation.row_count,
        "is_truncated": observation.is_truncated,
    }


# --- each row by itself -----------------------------------------------------------------------------------------------


def weigh_rows(
    key_columns: Sequence[str], previous: Collection[str], acknowledged: set[str], observation: Observation
) -> Finding:
    """Bad while there is a row that nobody has acknowledged. PURE. `previous` are the identities of last time."""
    if observation.columns is None:
        return Finding(verdict=Verdict.BROKEN, sentence=say("any.no_result"))
    found = diff(previous, observation.columns, observation.rows, key_columns, is_truncated=observation.is_truncated)
    if found.problem:
        return Finding(verdict=Verdict.BROKEN, sentence=found.problem, rows=found)
    unanswered = found.identities - acknowledged
    return Finding(
        verdict=Verdict.BAD if unanswered else Verdict.GOOD,
        sentence=found.sentence,
        value=float(len(unanswered)),
        evidence=_evidence_of_rows(observation, found) if unanswered else {},
        rows=found,
    )


def _evidence_of_rows(observation: Observation, found: RowDiff) -> dict[str, Any]:
    """New rows first, each marked."""
    rows = [*(("new", row) for row in found.new), *(("known", row) for row in found.still_there)]
    return {
        "columns": list(observation.columns or ()),
        "rows": [list(row.row) for _mark, row in rows[:SHOWN_ROWS]],
        "marks": [mark for mark, _row in rows[:SHOWN_ROWS]],
        "total": len(rows),
        "is_truncated": observation.is_truncated,
        "notes": [note.stored for note in found.notes],
    }
