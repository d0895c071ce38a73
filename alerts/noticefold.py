"""Which outcomes of a job's runs are told: the fold of a notification rule. PURE.

    memory, tells = step(policy, memory, signal)

A rule names triggers and waits for `threshold` of them in a row, for each subject by itself:

| outcome                                                   | the chain of bad ones | the chain of successes |
|-----------------------------------------------------------|-----------------------|------------------------|
| one the rule names (a success with a named remark too)    | one more              | ends                   |
| a success without a named remark                          | ends; has recovered   | one more, if named     |
| another executed outcome: business, technical, timed out  | ends                  | ends                   |
| not executed and not named: lost, missed, skipped         | neutral               | neutral                |
| cancelled; late or too long alone, where not named        | neutral               | neutral                |
| a try that will be repeated (with `only_last_try`)        | neutral               | neutral                |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, field_validator

from alerts.memory import check_version, instant, iso
from alerts.params import Params, Positive
from alerts.signals import Seen, Signal
from alerts.states import EXECUTED, OF_A_JOB, Trigger
from portal.lib.paramtypes import Duration, Shown

VERSION = 1
BAD, GOOD = "bad", "good"


class NoticePolicy(Params):
    """What of a job's runs is told. `recovered` among the triggers is the first success after a told failure."""

    triggers: Annotated[frozenset[Trigger], Shown(label=gettext_lazy("Triggers"))] = Field(min_length=1)
    threshold: Annotated[
        int, Shown(label=gettext_lazy("In a row"), help=gettext_lazy("So many must come one after the other."))
    ] = Field(default=1, ge=1, le=1000)
    repeat: Annotated[
        Literal["every", "threshold", "once"],
        Shown(
            label=gettext_lazy("And after that"),
            choices={
                "every": gettext_lazy("Each one is told"),
                "threshold": gettext_lazy("It is told after so many more"),
                "once": gettext_lazy("Nothing more until it has ended"),
            },
        ),
    ] = "every"
    at_most_every: Annotated[
        Annotated[Duration, Positive] | None,
        Shown(label=gettext_lazy("At most every"), help=gettext_lazy("What comes sooner is not told.")),
    ] = None
    only_last_try: Annotated[bool, Shown(label=gettext_lazy("Only when no try is left"))] = True

    @field_validator("triggers")
    @classmethod
    def _are_of_runs(cls, value: frozenset[Trigger]) -> frozenset[Trigger]:
        strange = sorted(str(one.label) for one in value - OF_A_JOB)
        if strange:
            raise ValueError(_("A run is never this: %(names)s.") % {"names": ", ".join(strange)})
        return value


@dataclass(frozen=True, kw_only=True)
class Tell:
    """Tell people. `trigger` is what the message is about, `triggers` all that the rule names; `count` in a row."""

    at: datetime
    signal_id: str
    trigger: Trigger
    triggers: frozenset[Trigger]
    count: int

    @property
    def key(self) -> str:
        """The event's name in a dedupe key."""
        return f"{self.trigger.value}:{self.signal_id}"


@dataclass(frozen=True, kw_only=True)
class NoticeMemory:
    """`side` is the chain under way, `count` its length; `owes_recovery`: a failure was told and not undone."""

    side: str = ""
    count: int = 0
    is_told: bool = False  # of this chain something was told
    told_at: datetime | None = None
    owes_recovery: bool = False
    seen: Seen = field(default_factory=Seen)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "side": self.side,
            "count": self.count,
            "is_told": self.is_told,
            "told_at": iso(self.told_at),
            "owes_recovery": self.owes_recovery,
            "seen": self.seen.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> NoticeMemory:
        """What `to_json` wrote; an empty one of {}. Raises UnknownVersionError for a newer portal's."""
        check_version(stored, VERSION)
        return cls(
            side=stored.get("side", ""),
            count=stored.get("count", 0),
            is_told=stored.get("is_told", False),
            told_at=instant(stored.get("told_at")),
            owes_recovery=stored.get("owes_recovery", False),
            seen=Seen.from_json(stored.get("seen", {})),
        )


def step(policy: NoticePolicy, memory: NoticeMemory, signal: Signal) -> tuple[NoticeMemory, list[Tell]]:
    """The memory after the signal, and what is to be told. A signal that was had before changes nothing."""
    if not signal.triggers or memory.seen.knows(signal):
        return memory, []
    memory = replace(memory, seen=memory.seen.plus(signal))
    if signal.will_retry and policy.only_last_try:
        return memory, []
    named = signal.triggers & policy.triggers
    if Trigger.SUCCESS in signal.triggers and not named - {Trigger.SUCCESS}:
        return _succeeded(policy, memory, signal)
    if named:
        memory, tells = _one_more(policy, memory, signal, BAD)
        return replace(memory, owes_recovery=memory.owes_recovery or bool(tells)), tells
    if signal.triggers & EXECUTED:
        return replace(memory, side="", count=0, is_told=False), []
    return memory, []


def _succeeded(policy: NoticePolicy, memory: NoticeMemory, signal: Signal) -> tuple[NoticeMemory, list[Tell]]:
    """The end of a bad chain; told as a recovery rather than as a success where it is both."""
    owed, told_at = memory.owes_recovery, memory.told_at
    memory = replace(memory, owes_recovery=False)
    tells: list[Tell] = []
    if Trigger.SUCCESS in policy.triggers:
        memory, tells = _one_more(policy, memory, signal, GOOD)
    elif memory.side == BAD:
        memory = replace(memory, side="", count=0, is_told=False)
    if owed and Trigger.RECOVERED in policy.triggers:
        # Not held to `at_most_every`: who was told that it failed must be told that it works.
        return replace(memory, told_at=told_at), [_tell(signal, frozenset({Trigger.RECOVERED}), 1)]
    return memory, tells


def _one_more(policy: NoticePolicy, memory: NoticeMemory, signal: Signal, side: str) -> tuple[NoticeMemory, list[Tell]]:
    if memory.side != side:
        memory = replace(memory, side=side, count=0, is_told=False)
    memory = replace(memory, count=memory.count + 1)
    if not _is_due(policy, memory, signal.at):
        return memory, []
    tell = _tell(signal, signal.triggers & policy.triggers, memory.count)
    return replace(memory, is_told=True, told_at=signal.at), [tell]


def _is_due(policy: NoticePolicy, memory: NoticeMemory, at: datetime) -> bool:
    if memory.count < policy.threshold:
        return False
    if memory.is_told and policy.repeat == "once":
        return False
    if memory.is_told and policy.repeat == "threshold" and memory.count % policy.threshold:
        return False
    return not (policy.at_most_every and memory.told_at and at - memory.told_at < policy.at_most_every)


def _tell(signal: Signal, named: frozenset[Trigger], count: int) -> Tell:
    """What went wrong comes before what is merely remarkable."""
    first = next(one for one in Trigger if one in named and (one != Trigger.SUCCESS or len(named) == 1))
    return Tell(at=signal.at, signal_id=signal.id, trigger=first, triggers=named, count=count)
