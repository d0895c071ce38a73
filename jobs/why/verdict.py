"""What an explanation is made of. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Mark(TextChoices):
    """What came of a check. `FAILED` is what holds or held the run back, or ended it badly."""

    PASSED = "passed", _("passed")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("not known")
    NOT_APPLICABLE = "not_applicable", _("does not apply")


class Part(TextChoices):
    """The parts of an answer, in their order."""

    CREATED = "created", _("Why it was created")
    DUE = "due", _("Was it due")
    ALLOWED = "allowed", _("What could hold it back")
    RUNS = "runs", _("What became of it")
    WAITING = "waiting", _("Why it waits")
    ATTEMPTS = "attempts", _("Attempts and retries")
    ENDED = "ended", _("How it ended")
    TIMING = "timing", _("When what happened")
    MACHINERY = "machinery", _("The machinery")


class Place(StrEnum):
    """Where something can be fixed; the pages know the addresses and who may go there."""

    JOB = "job"
    RUN = "run"
    LOG = "log"
    RUN_AGAIN = "run_again"
    RUN_NOW = "run_now"
    SCHEDULES = "schedules"
    QUEUES = "queues"
    WORKERS = "workers"
    TENANT = "tenant"
    HISTORY = "history"
    CALENDARS = "calendars"
    FREEZES = "freezes"
    OUTAGES = "outages"
    BACKFILLS = "backfills"


@dataclass(frozen=True, kw_only=True)
class Fix:
    """The place, and the id of the row it is about (0: a list)."""

    place: Place
    pk: int = 0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question with its answer in one or two sentences; `advice` says what to do."""

    key: str
    part: Part
    mark: Mark
    text: str
    advice: str = ""
    fix: Fix | None = None

    def as_json(self) -> dict[str, Any]:
        fix = {"place": self.fix.place.value, "id": self.fix.pk} if self.fix else None
        return {
            "key": self.key,
            "part": self.part.value,
            "result": self.mark.value,
            "text": self.text,
            "advice": self.advice,
            "fix": fix,
        }


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """`answer` is the key of the check that decided; empty when nothing is wrong.

    `before` and `after` are the fire times of the job around the minute that was asked about.
    """

    headline: str
    checks: tuple[Check, ...]
    answer: str = ""
    before: datetime | None = None
    after: datetime | None = None

    @property
    def decisive(self) -> Check | None:
        return next((check for check in self.checks if check.key == self.answer), None)

    def parts(self) -> Iterator[tuple[Part, list[Check]]]:
        """The checks by part, in order."""
        for part in Part:
            found = [check for check in self.checks if check.part == part]
            if found:
                yield part, found

    def as_json(self) -> dict[str, Any]:
        return {
            "headline": self.headline,
            "answer": self.answer,
            "checks": [check.as_json() for _part, checks in self.parts() for check in checks],
        }


def first_failed(checks: Sequence[Check], *parts: Part) -> Check | None:
    """The first check that failed, of these parts or of all."""
    return next((c for c in checks if c.mark == Mark.FAILED and (not parts or c.part in parts)), None)


def passed(key: str, part: Part, text: str, *, fix: Fix | None = None) -> Check:
    return Check(key=key, part=part, mark=Mark.PASSED, text=text, fix=fix)


def failed(key: str, part: Part, text: str, *, advice: str = "", fix: Fix | None = None) -> Check:
    return Check(key=key, part=part, mark=Mark.FAILED, text=text, advice=advice, fix=fix)


def unknown(key: str, part: Part, text: str, *, advice: str = "", fix: Fix | None = None) -> Check:
    return Check(key=key, part=part, mark=Mark.UNKNOWN, text=text, advice=advice, fix=fix)


def not_applicable(key: str, part: Part, text: str) -> Check:
    return Check(key=key, part=part, mark=Mark.NOT_APPLICABLE, text=text)
