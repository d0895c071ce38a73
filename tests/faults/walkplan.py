"""The random walk's plan: which fault at which moment, from a seed alone. PURE: the same seed gives the same plan."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

WORKERS = ("w1", "w2", "w3")
BEATS = ("beat1", "beat2")
PROCESSES = (*WORKERS, *BEATS, "web")
JOBS = ("fast", "slow", "line", "three", "newest", "fails", "refuses", "python", "once", "endless", "leaves", "asked")
LONGEST_AWAY = 20.0  # seconds; the walk's lease is 12
SMALLEST_PAUSE, LARGEST_PAUSE = 0.2, 4.0

# What may happen, and how often compared with the rest.
FAULTS = {
    "kill": 6,
    "term": 3,
    "freeze": 3,
    "broker_restart": 2,
    "broker_flush": 3,
    "broker_freeze": 1,
    "database_restart": 2,
    "database_freeze": 1,
    "request": 12,
    "cancel": 6,
    "disable": 3,
    "edit": 3,
    "bells": 3,
    "limit": 2,
}
NEEDS_A_SERVER = ("database_restart", "database_freeze")


@dataclass(frozen=True, kw_only=True)
class Step:
    """`at` is seconds from the walk's start."""

    at: float
    action: str
    facts: dict[str, Any] = field(default_factory=dict)

    def words(self) -> dict[str, Any]:
        return {"at": self.at, "action": self.action, **asdict(self)["facts"]}


def plan(seed: int, seconds: float, *, has_server: bool) -> list[Step]:
    """Every step until `seconds`, in order of time; what is taken away comes back by a later step."""
    chance = random.Random(seed)
    weights = {name: weight for name, weight in FAULTS.items() if has_server or name not in NEEDS_A_SERVER}
    steps: list[Step] = []
    at = 0.0
    while True:
        at = round(at + chance.uniform(SMALLEST_PAUSE, LARGEST_PAUSE), 2)
        if at >= seconds:
            return sorted(steps, key=lambda step: step.at)
        [action] = chance.choices(list(weights), weights=list(weights.values()))
        back_at = round(at + chance.uniform(0.5, LONGEST_AWAY), 2)
        steps += _steps(chance, action, at, back_at)


def _steps(chance: random.Random, action: str, at: float, back_at: float) -> list[Step]:
    if action in ("kill", "term", "freeze"):
        name = chance.choice(PROCESSES)
        back = "resume" if action == "freeze" else "start"
        return [Step(at=at, action=action, facts={"who": name}), Step(at=back_at, action=back, facts={"who": name})]
    if action in ("broker_restart", "database_restart"):
        how = chance.choice(["kill", "stop"])
        server = action.partition("_")[0]
        return [
            Step(at=at, action=f"{server}_down", facts={"how": how}),
            Step(at=back_at, action=f"{server}_up"),
        ]
    if action in ("broker_freeze", "database_freeze"):
        server = action.partition("_")[0]
        return [Step(at=at, action=action), Step(at=back_at, action=f"{server}_up")]
    if action == "disable":
        facts = {"job": chance.choice(JOBS)}
        return [Step(at=at, action="disable", facts=facts), Step(at=back_at, action="enable", facts=facts)]
    facts_of: dict[str, Any] = {
        "request": {"job": chance.choice(JOBS), "count": chance.choice([1, 1, 2, 5])},
        "cancel": {"nth": chance.randrange(1000)},
        "edit": {"job": chance.choice(JOBS), "seconds": chance.choice([0, 0.5, 1, 2])},
        "limit": {"most": chance.choice([2, 5, 50])},
        "bells": {"count": chance.choice([10, 100]), "queue": chance.choice(["default", "nowhere"])},
    }
    return [Step(at=at, action=action, facts=facts_of.get(action, {}))]
