"""From signals to states, incidents and reminders: one function, live and in a back-test. PURE.

    memory, effects = step(policy, memory, signal)

Every step first lets time pass up to its signal, through each moment at which something was due: `hold_for` is over,
a result is overdue, a reminder comes, the flapping has calmed down. So it makes no difference how often signals of
time come; `wakes_at` says when the next one is worth sending. A result of the very moment at which something was due
comes before it.

The condition and the check are two things. A check that fails or stays away says nothing of the condition: a firing
alert keeps its incident, and the check has one of its own. The window keeps what was judged before; good results
are in a row though time went by between them, but not when a check failed between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from alerts.effects import Changed, Effect, Flapping, Joined, Opened, Reminded, Resolved, Settled
from alerts.memory import CHECK, CONDITION, Memory, Problem
from alerts.policies import Policy
from alerts.signals import Signal, SignalKind, Verdict
from alerts.states import NOTIFIABLE, AlertState

__all__ = ["Memory", "Policy", "step", "wakes_at"]

_TROUBLES = {Verdict.BROKEN: AlertState.ERROR, Verdict.NO_DATA: AlertState.NO_DATA}
RESOLUTION = timedelta(microseconds=1)
HOLD, STALE, CALM, REMIND = "hold", "stale", "calm", "remind"


def step(policy: Policy, memory: Memory, signal: Signal) -> tuple[Memory, list[Effect]]:
    """The memory after the signal, and what is to be done. A signal that was had before changes nothing."""
    if signal.id and memory.seen.knows(signal):
        return memory, []
    turn = _Turn(policy, memory, signal)
    at = max(signal.at, memory.clock)
    turn.pass_time(at if signal.kind == SignalKind.TIME else at - RESOLUTION)
    turn.put(clock=at)
    if signal.verdict:
        turn.judge(signal.verdict, at)
    if signal.id:
        turn.put(seen=turn.memory.seen.plus(signal))
    return turn.memory, turn.effects


def wakes_at(policy: Policy, memory: Memory) -> datetime | None:
    """When time alone will change something; None when only a signal can."""
    found = _next_due(policy, memory)
    return found[0] if found else None


def goes_stale(policy: Policy, memory: Memory, at: datetime) -> bool:
    """Whether time, up to then, makes it stale."""
    due = _dues(policy, memory).get(STALE)
    return due is not None and due <= at


def _next_due(policy: Policy, memory: Memory) -> tuple[datetime, str] | None:
    dues = _dues(policy, memory)
    return min(((max(at, memory.clock), what) for what, at in dues.items()), default=None, key=lambda due: due[0])


def _dues(policy: Policy, memory: Memory) -> dict[str, datetime]:
    """What the passing of time will do, and when; at the same moment, in this order."""
    dues = {}
    if memory.breached_at and not memory.is_firing and not memory.trouble:
        dues[HOLD] = memory.breached_at + policy.hold_for
    overdue = memory.due_at or (memory.result_at + policy.stale_after if policy.stale_after else None)
    if overdue and memory.trouble != AlertState.STALE:
        dues[STALE] = overdue
    if memory.flapping_at:
        dues[CALM] = memory.changes[-1] + policy.flap_period
    elif policy.repeat_every and memory.told_at and memory.is_told:
        dues[REMIND] = memory.told_at + policy.repeat_every
    return dues


@dataclass
class _Turn:
    """One step at work."""

    policy: Policy
    memory: Memory
    signal: Signal
    effects: list[Effect] = field(default_factory=list)

    def put(self, **changes: Any) -> None:
        self.memory = replace(self.memory, **changes)

    def pass_time(self, until: datetime) -> None:
        """Do what was due up to `until`, each at its own moment."""
        while (due := _next_due(self.policy, self.memory)) is not None and due[0] <= until:
            at, what = due
            self.put(clock=at)
            self._on_time(what, at, until)

    def _on_time(self, what: str, at: datetime, until: datetime) -> None:
        if what == HOLD:
            self.put(is_firing=True, breached_at=None)
            self._settle_state(at, "")
        elif what == STALE:
            # Only a signal of time knows why nothing came.
            cause = self.signal.cause if self.signal.kind == SignalKind.TIME else self.signal.subject
            self.put(trouble=AlertState.STALE, trouble_cause=cause)
            self._settle_state(at, "")
        elif what == CALM:
            self._calm_down(at)
        else:
            self._remind(at, until)

    def judge(self, verdict: Verdict, at: datetime) -> None:
        """A result is there."""
        before = self.memory.incidents
        due_at = self.signal.due_at
        self.put(result_at=at, due_at=due_at if due_at and due_at > at else None)
        trouble = _TROUBLES.get(verdict)
        if trouble:
            cause = self.signal.cause if verdict == Verdict.BROKEN else self.signal.subject
            self.put(trouble=trouble, trouble_cause=cause, good_count=0)
        else:
            self.put(trouble=None, trouble_cause="")
            self._weigh(verdict, at)
        self._settle_state(at, self.signal.id)
        self._join(before, at)

    def _weigh(self, verdict: Verdict, at: datetime) -> None:
        """The window with one more result in it, and what follows for the condition."""
        policy, memory = self.policy, self.memory
        window = (memory.window + ("1" if verdict == Verdict.BAD else "0"))[-policy.window_count :]
        good_count = memory.good_count + 1 if verdict == Verdict.GOOD else 0
        self.put(window=window, good_count=good_count)
        is_underway = memory.is_firing or memory.breached_at is not None
        if is_underway and good_count >= policy.good_count:
            # Cleared: firing again takes as many bad results as the first time.
            self.put(is_firing=False, breached_at=None, window="")
        elif not memory.is_firing:
            self._await_hold(at, is_breached=window.count("1") >= policy.needed_count)

    def _await_hold(self, at: datetime, *, is_breached: bool) -> None:
        since = (self.memory.breached_at or at) if is_breached else None
        if since and at - since >= self.policy.hold_for:
            self.put(is_firing=True, breached_at=None)
        else:
            self.put(breached_at=since)

    def _settle_state(self, at: datetime, signal_id: str) -> None:
        """Say what has changed, and bring the incidents in line with it."""
        old, new = self.memory.state, self.memory.shown_state
        if new != old:
            is_told = new in NOTIFIABLE
            self.put(state=new, state_at=at, told_at=at if is_told else None, told_count=0)
            if is_told or old in NOTIFIABLE:
                self._count_change(at, signal_id)
            self._add(Changed(at=at, signal_id=signal_id, old=old, new=new))
        self._sync_incidents(at, signal_id)

    def _count_change(self, at: datetime, signal_id: str) -> None:
        """A change that people would be told of; too many of them are flapping."""
        recent = tuple(one for one in self.memory.changes if one > at - self.policy.flap_period)
        self.put(changes=(*recent, at))
        limit = self.policy.flap_changes
        if limit and len(recent) + 1 >= limit and not self.memory.flapping_at:
            self.effects.append(Flapping(at=at, signal_id=signal_id, count=len(recent) + 1))
            self.put(flapping_at=at)

    def _calm_down(self, at: datetime) -> None:
        told_at = at if self.memory.is_told else None
        self.put(flapping_at=None, changes=(), told_at=told_at)
        self._add(Settled(at=at, state=self.memory.state))
        self._sync_incidents(at, "")

    def _sync_incidents(self, at: datetime, signal_id: str) -> None:
        """Resolve what is over and open what is new; while it flaps, what is open stays open."""
        wanted = self._wanted()
        for slot in (CONDITION, CHECK):
            have, want = self.memory.incidents.get(slot), wanted.get(slot)
            if have == want or (have and self.memory.flapping_at):
                continue
            if have:
                now_is = self.memory.state
                self._add(Resolved(at=at, signal_id=signal_id, state=have.state, cause=have.cause, now_is=now_is))
            if want:
                self._add(Opened(at=at, signal_id=signal_id, state=want.state, cause=want.cause))
            rest = {name: one for name, one in self.memory.incidents.items() if name != slot}
            self.put(incidents={**rest, slot: want} if want else rest)

    def _wanted(self) -> dict[str, Problem]:
        wanted = {}
        if self.memory.is_firing:
            wanted[CONDITION] = Problem(AlertState.FIRING, self.signal.subject)
        if self.memory.trouble:
            wanted[CHECK] = Problem(self.memory.trouble, self.memory.trouble_cause)
        return wanted

    def _join(self, before: Mapping[str, Problem], at: datetime) -> None:
        """One more bad or failed result belongs to the incident that was open for it already."""
        slot = CHECK if self.memory.trouble else CONDITION
        is_one_more = self.memory.trouble is not None or self.signal.verdict == Verdict.BAD
        problem = self.memory.incidents.get(slot)
        if problem and is_one_more and before.get(slot) == problem:
            self._add(Joined(at=at, signal_id=self.signal.id, state=problem.state, cause=problem.cause))

    def _remind(self, at: datetime, until: datetime) -> None:
        """One reminder; where several were due and nobody was there, they are one."""
        every, told_at = self.policy.repeat_every or timedelta.max, self.memory.told_at or at
        others = [due for what, due in _dues(self.policy, self.memory).items() if what != REMIND]
        rounds = max((min([until, *others]) - told_at) // every, 1)
        count = self.memory.told_count + rounds
        self.put(told_at=told_at + rounds * every, told_count=count, clock=max(at, told_at + rounds * every))
        state = self.memory.state
        slot = CHECK if self.memory.trouble else CONDITION
        cause = self.memory.incidents[slot].cause
        self._add(Reminded(at=self.memory.clock, state=state, cause=cause, count=count))

    def _add(self, effect: Effect) -> None:
        is_quiet = self.memory.flapping_at is not None
        self.effects.append(replace(effect, is_quiet=is_quiet) if is_quiet else effect)
