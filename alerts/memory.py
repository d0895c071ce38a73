"""What the fold remembers of one alert rule and subject, as JSON in its row. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerts.signals import Seen
from alerts.states import NOTIFIABLE, AlertState

VERSION = 1
CONDITION, CHECK = "condition", "check"  # the two incidents an alert can have: what it watches, and its own watching


class UnknownVersionError(ValueError):
    """The memory was written by a newer portal: nothing may be made of it."""


def check_version(stored: Mapping[str, Any], newest: int) -> None:
    """Raise UnknownVersionError for what is newer than we are."""
    found = stored.get("version", newest)
    if not isinstance(found, int) or found > newest:
        raise UnknownVersionError(f"version {found} is newer than {newest}: update this process")


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class Problem:
    """What an incident is about: the state, and what it is grouped by."""

    state: AlertState
    cause: str


@dataclass(frozen=True, kw_only=True)
class Memory:
    """`window` has a 1 for each bad result, the newest last; `good_count` counts the last good ones in a row.

    `breached_at` is since when enough results have been bad, while it is waited for `hold_for`. `incidents` are those
    that are open, by slot. `told_at` is when the present state was told, or reminded of, `told_count` times in all.
    """

    clock: datetime  # no step goes behind it
    state: AlertState = AlertState.OK
    state_at: datetime
    window: str = ""
    good_count: int = 0
    is_firing: bool = False
    breached_at: datetime | None = None
    trouble: AlertState | None = None
    trouble_cause: str = ""
    incidents: Mapping[str, Problem] = field(default_factory=dict)
    result_at: datetime
    due_at: datetime | None = None
    told_at: datetime | None = None
    told_count: int = 0
    changes: tuple[datetime, ...] = ()
    flapping_at: datetime | None = None
    seen: Seen = field(default_factory=Seen)

    @classmethod
    def new(cls, at: datetime) -> Memory:
        """Of a rule that was made or enabled at this moment: its first result is awaited from now on."""
        return cls(clock=at, state_at=at, result_at=at)

    @property
    def shown_state(self) -> AlertState:
        """What the parts amount to; `state` is what they amounted to when it was last looked."""
        if self.trouble:
            return self.trouble
        if self.is_firing:
            return AlertState.FIRING
        is_pending = self.breached_at is not None or self.window.endswith("1")
        return AlertState.PENDING if is_pending else AlertState.OK

    @property
    def is_told(self) -> bool:
        """Whether the state is one that has an incident."""
        return self.state in NOTIFIABLE

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "clock": iso(self.clock),
            "state": self.state.value,
            "state_at": iso(self.state_at),
            "window": self.window,
            "good_count": self.good_count,
            "is_firing": self.is_firing,
            "breached_at": iso(self.breached_at),
            "trouble": self.trouble.value if self.trouble else None,
            "trouble_cause": self.trouble_cause,
            "incidents": {slot: [one.state.value, one.cause] for slot, one in self.incidents.items()},
            "result_at": iso(self.result_at),
            "due_at": iso(self.due_at),
            "told_at": iso(self.told_at),
            "told_count": self.told_count,
            "changes": [iso(at) for at in self.changes],
            "flapping_at": iso(self.flapping_at),
            "seen": self.seen.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Memory:
        """What `to_json` wrote. Raises UnknownVersionError for a newer portal's."""
        check_version(stored, VERSION)
        trouble = stored["trouble"]
        return cls(
            clock=datetime.fromisoformat(stored["clock"]),
            state=AlertState(stored["state"]),
            state_at=datetime.fromisoformat(stored["state_at"]),
            window=stored["window"],
            good_count=stored["good_count"],
            is_firing=stored["is_firing"],
            breached_at=instant(stored["breached_at"]),
            trouble=AlertState(trouble) if trouble else None,
            trouble_cause=stored["trouble_cause"],
            incidents={slot: Problem(AlertState(s), cause) for slot, (s, cause) in stored["incidents"].items()},
            result_at=datetime.fromisoformat(stored["result_at"]),
            due_at=instant(stored["due_at"]),
            told_at=instant(stored["told_at"]),
            told_count=stored["told_count"],
            changes=tuple(datetime.fromisoformat(at) for at in stored["changes"]),
            flapping_at=instant(stored["flapping_at"]),
            seen=Seen.from_json(stored["seen"]),
        )
