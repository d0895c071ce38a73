"""What a rule would have sent: the live engine's own judgement, fold and routing, over the history of runs.

Nothing is written, and the rule need not have been saved. People are left out: nobody acknowledges, resolves or snoozes
in a back-test, and one alert is looked at by itself, so an incident has no other part.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from alerts import evaluate, fold, noticefold, notices
from alerts.baseline import LAST, Contract, Figures, suspicion
from alerts.conditions import Summary
from alerts.effects import Effect, Flapping, Joined, Opened, Reminded, Resolved, Settled, about, trigger_of
from alerts.findings import DAY, LOOK_BACK, MOST_NEAR, WEEK, Finding, contract_of, expected_interval, look
from alerts.happenings import Happening, ended, figures_of, outputs_of
from alerts.letters import Event
from alerts.memory import Memory, Problem
from alerts.models import AlertRule, Channel, NotificationRule
from alerts.outbox import Fate, fate_of, floor_of
from alerts.overlong import too_long
from alerts.routing import Target, is_above
from alerts.shelf import Book
from alerts.signals import Signal, SignalKind, Verdict
from alerts.states import AlertState, NotificationStatus, Severity, Trigger
from jobs.models import Job, JobRevision, Run
from jobs.states import TERMINAL, Origin, RunStatus

WINDOW = timedelta(days=30)
MOST_RUNS = 20_000
CHUNK = 200  # runs whose tables are in memory at once
BAD = frozenset({Verdict.BAD, Verdict.BROKEN, Verdict.NO_DATA})


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One message that would have been written. `fate` says whether it had gone out, and when."""

    at: datetime
    trigger: Trigger
    rule: NotificationRule
    channel: Any
    fate: Fate
    sentence: dict[str, Any] = field(default_factory=dict)
    run: int | None = None


@dataclass(kw_only=True)
class Report:
    """`naive` is what one message for every bad result would have been, to the same channels.

    `is_cut`: there were more runs than are looked at. `is_stopped`: the time was up, so `until` is earlier than asked.
    """

    since: datetime
    until: datetime
    runs: int = 0
    incidents: int = 0
    is_cut: bool = False
    is_stopped: bool = False
    bad_times: list[datetime] = field(default_factory=list)
    written: list[Sent] = field(default_factory=list)
    naive: int = 0

    @property
    def bad(self) -> int:
        return len(self.bad_times)

    @property
    def sent(self) -> list[Sent]:
        """What had gone out, one for each digest."""
        found: dict[str, Sent] = {}
        for number, each in enumerate(self.written):
            if each.fate.status != NotificationStatus.SUPPRESSED:
                found.setdefault(each.fate.digest_key or str(number), each)
        return list(found.values())

    @property
    def suppressed(self) -> list[Sent]:
        return [each for each in self.written if each.fate.status == NotificationStatus.SUPPRESSED]


def history(job: Job, *, since: datetime, until: datetime) -> tuple[list[Run], bool]:
    """The runs of the job that ended in that time, oldest first, and whether there were more than are looked at."""
    rows = Run.objects.filter(job=job, parent=None, status__in=TERMINAL, ended_at__gte=since, ended_at__lt=until)
    rows = rows.exclude(status=RunStatus.CANCELLED).order_by("-ended_at", "-pk")
    lightly = rows.select_related("schedule").defer("result")  # a table may be a megabyte: `_with_tables` reads them
    found = list(lightly[: MOST_RUNS + 1])
    revisions = JobRevision.objects.in_bulk({run.revision_id for run in found})
    for run in found:
        run.job, run.tenant, run.revision = job, job.tenant, revisions[run.revision_id]
    return list(reversed(found[:MOST_RUNS])), len(found) > MOST_RUNS


def channels_of(rule: NotificationRule) -> list[Channel]:
    """Of a rule that is not saved, those that its form has: `chosen_channels`."""
    return list(getattr(rule, "chosen_channels", None) or (rule.channels.all() if rule.pk else ()))


# --- an alert rule ----------------------------------------------------------------------------------------------------


def _time_of(summary: Summary) -> datetime:
    return summary.at


@dataclass
class _Memory:
    """The past as a back-test remembers it (`alerts.findings.Past`)."""

    kept: list[Summary] = field(default_factory=list)
    seen: list[datetime] = field(default_factory=list)
    rows: frozenset[str] = frozenset()

    def summaries(self, at: datetime) -> list[Summary]:
        """As the ledger gives them; kept in the order of time, so they are found without looking at each."""
        before = bisect_left(self.kept, at, key=_time_of)
        found = self.kept[max(before - 1, 0) : before]
        slack = max(LOOK_BACK, expected_interval(self.times()) or timedelta(0))
        for ago in (DAY, WEEK):
            first = bisect_left(self.kept, at - ago - slack, key=_time_of)
            last = bisect_right(self.kept, at - ago + slack, key=_time_of)
            found += self.kept[max(first, last - MOST_NEAR) : last]
        return found

    def times(self) -> list[datetime]:
        return self.seen[:-8:-1]

    def identities(self) -> frozenset[str]:
        return self.rows

    def acknowledged(self) -> tuple[str, ...]:
        return ()

    def add(self, finding: Finding, at: datetime) -> None:
        self.seen.append(at)
        if finding.summary:
            self.kept.append(finding.summary)
        if finding.rows is not None and finding.rows.problem is None:
            self.rows = finding.rows.identities


@dataclass(frozen=True, kw_only=True)
class Question:
    """An alert rule as it is filled in, about one job, with who would be told of it, in a span of history."""

    rule: AlertRule
    job: Job
    notices: Sequence[NotificationRule]
    book: Book
    target: Target
    since: datetime
    until: datetime
    stop_at: float | None = None  # time.monotonic(): no run is looked at after it

    @property
    def key(self) -> str:
        return evaluate.subject_of(self.rule, f"job:{self.job.pk}")


@dataclass
class _Trial:
    """From run to run."""

    asked: Question
    report: Report
    past: _Memory = field(default_factory=_Memory)
    open: dict[str, int] = field(default_factory=dict)
    opened_at: dict[int, datetime] = field(default_factory=dict)
    told: dict[tuple[Any, ...], int] = field(default_factory=dict)  # where it is among the written

    def go(self, happenings: Iterable[Happening], *, dues: dict[int, datetime]) -> None:
        policy = evaluate.policy_of(self.asked.rule)
        memory = Memory.new(max(self.report.since, self.asked.rule.enabled_at or self.report.since))
        for happening in happenings:
            if _is_late(self.asked.stop_at):
                self.report.is_stopped, self.report.until = True, happening.at
                break
            finding = look(self.asked.rule, self.past, happening)
            if finding.verdict is None:
                continue
            signal = self._signal(happening, finding, dues.get(happening.run.pk))
            memory, effects = fold.step(policy, memory, signal)
            self.past.add(finding, happening.at)
            if finding.verdict in BAD:
                self.report.bad_times.append(happening.at)
            self._carry_out(effects, memory, finding, happening)
        end = Signal(kind=SignalKind.TIME, subject=self.asked.key, at=self.report.until)
        memory, effects = fold.step(policy, memory, end)
        self._carry_out(effects, memory, None, None)

    def _signal(self, happening: Happening, finding: Finding, due_at: datetime | None) -> Signal:
        facts = {"cause": finding.cause} if finding.cause else {}
        if due_at is not None:
            facts["due_at"] = due_at.isoformat()
        return Signal(
            kind=SignalKind.CHECK,
            subject=self.asked.key,
            at=happening.at,
            id=happening.id,
            verdict=finding.verdict,
            facts=facts,
        )

    def _carry_out(
        self, effects: Sequence[Effect], memory: Memory, finding: Finding | None, happening: Happening | None
    ) -> None:
        """As `alerts.evaluate` does, without its rows."""
        for effect in effects:
            for seen, incident, key in self._seen(effect, memory):
                self._tell(seen, incident, key, finding, happening)
        has_new_rows = finding is not None and finding.rows is not None and bool(finding.rows.new)
        if not has_new_rows or memory.state != AlertState.FIRING or any(isinstance(e, Opened) for e in effects):
            return
        for effect in effects:
            if isinstance(effect, Joined) and not effect.is_quiet and effect.cause in self.open and happening:
                opened = Opened(at=effect.at, signal_id=happening.id, state=effect.state, cause=effect.cause)
                self._tell(opened, self.open[effect.cause], f"rows:{happening.id}", finding, happening)

    def _seen(self, effect: Effect, memory: Memory) -> Iterator[tuple[Effect, int, str]]:
        """The incidents that an effect is told of, by which name, and the effect as each of them sees it."""
        if isinstance(effect, Opened):
            if effect.cause not in self.open:
                self.report.incidents += 1
                self.open[effect.cause] = self.report.incidents
                self.opened_at[self.report.incidents] = effect.at
            yield effect, self.open[effect.cause], f"{effect.state.value}:opened"
        elif isinstance(effect, Resolved) and effect.cause in self.open:
            yield effect, self.open.pop(effect.cause), "recovered"
        elif isinstance(effect, Reminded) and effect.cause in self.open:
            incident, policy = self.open[effect.cause], evaluate.policy_of(self.asked.rule)
            yield effect, incident, evaluate.reminder_key(policy, self.opened_at[incident], effect.at)
        elif isinstance(effect, Flapping | Settled):
            for problem in memory.incidents.values() or [Problem(AlertState.FIRING, self.asked.key)]:
                if problem.cause in self.open:
                    key = f"{type(effect).__name__.lower()}:{effect.at.isoformat()}"
                    yield about(effect, problem.state), self.open[problem.cause], key

    def _tell(
        self, effect: Effect, incident: int, key: str, finding: Finding | None, happening: Happening | None
    ) -> None:
        trigger = trigger_of(effect)
        if trigger is None:
            return
        severity = Severity(self.asked.rule.severity)
        silence = self.asked.book.silence(self.asked.target, effect.at)
        words = finding.sentence.stored if finding and finding.sentence else {}
        for rule in self.asked.notices:
            if trigger.value not in rule.triggers or not is_above(severity, floor_of(rule)):
                continue
            for channel in channels_of(rule):
                sent = Sent(
                    at=effect.at,
                    trigger=trigger,
                    rule=rule,
                    channel=channel,
                    fate=fate_of(effect.at, severity, rule, channel, silence),
                    sentence=words,
                    run=happening.run.pk if happening else None,
                )
                self._write((incident, key, channel.pk), sent)

    def _write(self, name: tuple[Any, ...], sent: Sent) -> None:
        """One message to a channel, as the most urgent of the rules that lead there wants it."""
        place = self.told.setdefault(name, len(self.report.written))
        if place == len(self.report.written):
            self.report.written.append(sent)
            return
        fate = self.report.written[place].fate
        is_gone = fate.status == NotificationStatus.HELD and fate.at <= sent.at
        if not is_gone and sent.fate.is_sooner_than(fate):
            self.report.written[place] = sent


def of_alert(asked: Question) -> Report:
    """What this alert rule, as it is filled in, would have sent about this job."""
    runs, is_cut = history(asked.job, since=asked.since, until=asked.until)
    report = Report(since=asked.since, until=asked.until, runs=len(runs), is_cut=is_cut)
    happenings = _happenings(_with_tables(runs), _sizes(runs), contract_of(asked.rule))
    past = (each for each in happenings if each.run.origin != Origin.BACKFILL)
    _Trial(asked, report).go(past, dues=_dues(runs, asked.rule.result_grace))
    if report.is_stopped:
        report.runs = sum((run.ended_at or run.scheduled_for) < report.until for run in runs)
    report.naive = report.bad * max(len({channel.pk for one in asked.notices for channel in channels_of(one)}), 1)
    return report


def of_notice(
    rule: NotificationRule,
    jobs: Iterable[Job],
    *,
    book: Book,
    since: datetime,
    until: datetime,
    stop_at: float | None = None,
) -> Report:
    """What this notification rule, as it is filled in, would have sent about the runs of these jobs."""
    report = Report(since=since, until=until)
    policy = notices.policy_of(rule)
    if policy is None:
        return report
    for job in jobs:
        if report.is_stopped:
            break
        runs, is_cut = history(job, since=since, until=until)
        report.runs += len(runs)
        report.is_cut |= is_cut
        memory = noticefold.NoticeMemory()
        for happening in _happenings(runs, _sizes(runs)):
            if _is_late(stop_at):
                report.is_stopped = True
                break
            if happening.triggers & policy.triggers - {Trigger.SUCCESS, Trigger.RECOVERED}:
                report.bad_times.append(happening.at)
            memory, tells = noticefold.step(policy, memory, notices.signal_of(happening))
            for tell in tells:
                _post(report, rule, notices.event_of(tell, happening), book)
    report.written.sort(key=lambda each: each.at)
    report.naive = report.bad * max(len(channels_of(rule)), 1)
    return report


def _post(report: Report, rule: NotificationRule, event: Event, book: Book) -> None:
    if not is_above(event.severity, floor_of(rule)):
        return
    silence = book.silence(event.target, event.at)
    for channel in channels_of(rule):
        fate = fate_of(event.at, event.severity, rule, channel, silence)
        report.written.append(
            Sent(
                at=event.at,
                trigger=event.trigger,
                rule=rule,
                channel=channel,
                fate=fate,
                sentence=dict(event.sentence),
                run=event.run.pk if event.run else None,
            )
        )


# --- the history ------------------------------------------------------------------------------------------------------


def _is_late(stop_at: float | None) -> bool:
    return stop_at is not None and time.monotonic() > stop_at


def _with_tables(runs: Sequence[Run]) -> Iterator[Run]:
    """Each with its result while it is looked at."""
    for place in range(0, len(runs), CHUNK):
        chunk = runs[place : place + CHUNK]
        found = Run.objects.filter(pk__in=[run.pk for run in chunk])
        tables = dict(found.order_by().values_list("pk", "result"))
        for run in chunk:
            run.result = tables.get(run.pk)
            yield run
            run.result = None


def _sizes(runs: Sequence[Run]) -> dict[int, int]:
    return outputs_of(runs, runs[0].job.kind) if runs else {}


def _happenings(runs: Iterable[Run], sizes: Mapping[int, int], contract: Contract | None = None) -> Iterator[Happening]:
    """The ends of the runs, with what was suspicious by then: the history is here, so nobody asks for it again."""
    figures: list[Figures] = []
    for run in runs:
        odd = None
        if slow := too_long(run, figures[-LAST:], run.ended_at or run.scheduled_for):
            yield slow
        if run.status == RunStatus.SUCCEEDED and not run.is_container:
            mine = figures_of(run, sizes.get(run.pk))
            if run.origin != Origin.BACKFILL:
                odd = suspicion(figures[-LAST:], mine, contract)
            figures.append(mine)
        happening = ended(run, run.ended_at or run.scheduled_for, odd=odd)
        if happening is not None:
            yield replace(happening, weighed_by=contract)


def _dues(runs: Sequence[Run], grace: timedelta) -> dict[int, datetime]:
    """Run → by when the next result had to be there, as the ledger of due moments has it."""
    fires = sorted(run.scheduled_for for run in runs if run.origin == Origin.SCHEDULE)
    found: dict[int, datetime] = {}
    place = 0
    for run in runs:
        at = run.ended_at or run.scheduled_for
        while place < len(fires) and fires[place] <= at:
            place += 1
        if place < len(fires):
            found[run.pk] = fires[place] + grace
    return found
