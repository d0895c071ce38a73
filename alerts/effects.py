"""What a step of the fold asks for. Services carry it out in the transaction that stores the memory. PURE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from alerts.states import NOTIFIABLE, TROUBLE, AlertState, Trigger


@dataclass(frozen=True, kw_only=True)
class Effect:
    """`at` is when it happened, which may be before the signal that made it known. `is_quiet`: keep it, tell nobody.

    `signal_id` is empty where the passing of time did it.
    """

    at: datetime
    signal_id: str = ""
    is_quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Changed(Effect):
    """The state on screens and in the history."""

    old: AlertState
    new: AlertState


@dataclass(frozen=True, kw_only=True)
class OfIncident(Effect):
    """`state` is what the incident is about, `cause` what it is grouped by."""

    state: AlertState
    cause: str


@dataclass(frozen=True, kw_only=True)
class Opened(OfIncident):
    """Open the cause's incident, or let this alert join the one that other alerts have opened."""


@dataclass(frozen=True, kw_only=True)
class Joined(OfIncident):
    """One more result of the same kind: count it, keep it as evidence."""


@dataclass(frozen=True, kw_only=True)
class Resolved(OfIncident):
    """This alert has no part in the incident any more; the last one to leave resolves it.

    `now_is` is what the alert is instead. It has recovered when that is OK (or when a failing check works again);
    it has only changed its trouble when that is another trouble.
    """

    now_is: AlertState


@dataclass(frozen=True, kw_only=True)
class Reminded(OfIncident):
    """It is still so; `count` reminders make this one, those included that nobody was there to send."""

    count: int


@dataclass(frozen=True, kw_only=True)
class Flapping(Effect):
    """It has changed too often; this is told once, and then nothing until `Settled`."""

    count: int


@dataclass(frozen=True, kw_only=True)
class Settled(Effect):
    """It has not changed for the whole period; incidents that are over are resolved with it."""

    state: AlertState


def about(effect: Flapping | Settled, state: AlertState) -> Flapping | Settled:
    """The effect as one incident sees it, which is about that state: an alert may have two."""
    if isinstance(effect, Settled) and effect.state in NOTIFIABLE:
        return replace(effect, state=state)
    return effect


def trigger_of(effect: Effect) -> Trigger | None:
    """What notification rules call it; None when it is nothing to tell of."""
    if effect.is_quiet:
        return None
    if isinstance(effect, Opened):
        return Trigger(effect.state.value)
    if isinstance(effect, Reminded):
        return Trigger.STILL_FIRING
    if isinstance(effect, Resolved):
        return None if effect.now_is in TROUBLE else Trigger.RECOVERED
    if isinstance(effect, Flapping):
        return Trigger.FIRING
    if isinstance(effect, Settled) and effect.state in NOTIFIABLE:  # otherwise `Resolved` comes with it
        return Trigger(effect.state.value)  # nobody may have been told: what opened while it flapped was quiet
    return None
