"""Quiet hours and digests as a definitions file writes them: weekdays by name, times of day as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from jobs.yamlfile.calendars import weekdays_of
from jobs.yamlfile.entries import Entry
from jobs.yamlfile.writer import DAY_NAMES
from portal.lib.fielderrors import FieldError

EVERY_DAY = "mon-sun"
CRITICAL = "critical"
ENDS = {"starts": "from", "ends": "until"}


class SpanEntry(Entry):
    """A time that is not text is refused: YAML reads 22:00 as a number."""

    weekdays: str = EVERY_DAY
    start: str = Field(alias="from")
    end: str = Field(alias="until")


class QuietEntry(Entry):
    spans: tuple[SpanEntry, ...]
    timezone: str = "UTC"
    action: str = "hold"
    lets_through: str | None = CRITICAL

    def column(self, path: str) -> dict[str, Any]:
        """As the row has it; FieldErrors for weekdays that are none."""
        spans = [
            {
                "weekdays": [int(digit) - 1 for digit in weekdays_of(span.weekdays, f"{path}.spans[{place}].weekdays")],
                "starts": span.start,
                "ends": span.end,
            }
            for place, span in enumerate(self.spans)
        ]
        return {**self.model_dump(exclude={"spans"}), "spans": spans}


class DigestEntry(Entry):
    every: str
    starts: str = "00:00"
    timezone: str = "UTC"
    lets_through: str | None = CRITICAL


def as_in_spans(error: FieldError) -> FieldError:
    """ "quiet_hours.spans[0].starts" is called from in the file."""
    head, dot, last = error.path.rpartition(".")
    if not error.path.startswith("quiet_hours.spans["):
        return error
    return FieldError(path=f"{head}{dot}{ENDS.get(last, last)}", message=error.message)


def quiet_entry(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Of a row's quiet hours."""
    if not stored:
        return None
    return {"spans": [_span(span) for span in stored.get("spans", ())], **_rest(stored, action="hold")}


def digest_entry(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Of a row's digest."""
    if not stored:
        return None
    starts = _time(str(stored.get("starts", "00:00")))
    return {"every": stored.get("every"), **({} if starts == "00:00" else {"starts": starts}), **_rest(stored)}


def _span(span: Mapping[str, Any]) -> dict[str, Any]:
    days = sorted(span.get("weekdays", range(7)))
    named = {} if days == list(range(7)) else {"weekdays": ", ".join(DAY_NAMES[day] for day in days)}
    return {**named, "from": _time(str(span["starts"])), "until": _time(str(span["ends"]))}


def _rest(stored: Mapping[str, Any], **usual: str) -> dict[str, Any]:
    usual_values: dict[str, Any] = {"timezone": "UTC", **usual, "lets_through": CRITICAL}
    return {name: stored[name] for name, value in usual_values.items() if name in stored and stored[name] != value}


def _time(text: str) -> str:
    """22:00:00 is 22:00."""
    return text[:5] if len(text) == 8 and text.endswith(":00") else text
