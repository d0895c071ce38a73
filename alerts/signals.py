"""What happens, in one vocabulary: live from run events, outages and the clock; in a back-test from history. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from alerts.states import Trigger

KEPT = 64  # signals a memory knows by their id …
KEPT_FOR = timedelta(minutes=1)  # … and all of the last minute: events may come that much out of order


class SignalKind(StrEnum):
    RUN = "run"
    CHECK = "check"
    OUTAGE = "outage"
    TIME = "time"


class Verdict(StrEnum):
    """What a check found. `BETWEEN`: no longer bad, but the recovery condition is not met yet."""

    GOOD = "good"
    BETWEEN = "between"
    BAD = "bad"
    NO_DATA = "no_data"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One thing that happened to one subject ("job:12", "rule:7", "beat").

    `id` says which one it was, the same live and in a back-test ("run:815:succeeded"); a signal of time needs none.
    `triggers` are a run's or an outage's, `verdict` is a check's. `facts` are JSON and go to whoever carries out the
    effects. Two of them the folds read: "cause" (of a broken check: what it is grouped by) and "due_at" (ISO: when
    the next result must be there).
    """

    kind: SignalKind
    subject: str
    at: datetime
    id: str = ""
    triggers: frozenset[Trigger] = frozenset()
    verdict: Verdict | None = None
    will_retry: bool = False  # the run's failed try is not its last
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id and self.kind != SignalKind.TIME:
            raise ValueError("a signal that is no passing of time needs an id: without one it may count twice")

    @property
    def cause(self) -> str:
        """What a broken check is grouped by; the subject itself unless the facts know better."""
        return str(self.facts.get("cause") or self.subject)

    @property
    def due_at(self) -> datetime | None:
        """By when the next result of the subject must be there, if its schedule says so."""
        text = self.facts.get("due_at")
        return datetime.fromisoformat(text) if text else None


def time_signal(subject: str, at: datetime) -> Signal:
    """Nothing happened, and time passed."""
    return Signal(kind=SignalKind.TIME, subject=subject, at=at)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which signals a memory has had. It forgets only what is older than both 64 signals and a minute, and takes
    whatever is as old as that for one it has had: a replay changes nothing, however late it comes.
    """

    ids: tuple[tuple[str, datetime], ...] = ()
    until: datetime | None = None

    def knows(self, signal: Signal) -> bool:
        if self.until is not None and signal.at <= self.until:
            return True
        return any(one == signal.id for one, _ in self.ids)

    def plus(self, signal: Signal) -> Seen:
        ids = sorted([*self.ids, (signal.id, signal.at)], key=lambda pair: pair[1])
        until, edge = self.until, ids[-1][1] - KEPT_FOR
        while len(ids) > KEPT and ids[0][1] < edge:
            until = ids.pop(0)[1]
        # Others of that very moment are behind the line too, so they need no place.
        ids = [pair for pair in ids if until is None or pair[1] > until]
        return Seen(ids=tuple(ids), until=until)

    def to_json(self) -> dict[str, Any]:
        ids = [[name, at.isoformat()] for name, at in self.ids]
        return {"ids": ids, "until": self.until.isoformat() if self.until else None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Seen:
        ids = tuple((name, datetime.fromisoformat(at)) for name, at in stored.get("ids", []))
        until = stored.get("until")
        return cls(ids=ids, until=datetime.fromisoformat(until) if until else None)
