"""iCalendar (RFC 5545), as far as a list of days needs it: all-day events in, all-day events out. PURE.

What is read: DTSTART and DTEND dates (an event may span days), SUMMARY, and RRULE:FREQ=YEARLY with COUNT or UNTIL or,
without an end, for the years around the given one. A day is a make-up working day when the feed says so: with
X-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY, with our own X-PORTAL-KIND, or with 班 in its summary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _

MOST_BYTES = 1_000_000
MOST_EVENTS = 3_000
LONGEST_EVENT = 366
YEARS_BEFORE, YEARS_AFTER = 1, 3
HOLIDAY, WORKDAY = "holiday", "workday"
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T\d{6}Z?)?")
_MAKE_UP = re.compile(r"补班|上班|[（(【\[]班[）)】\]]|make-?up (work|day)", re.IGNORECASE)


class CalendarFileError(ValueError):
    """The file can't be read; one sentence that says what to do."""


@dataclass(frozen=True)
class FoundDay:
    """A date of the file."""

    date: date
    kind: str
    name: str


def read_days(raw: bytes, *, year: int) -> list[FoundDay]:
    """The days of an .ics file, in order, one per date (a working day wins); `year` bounds what recurs for ever."""
    found: dict[date, FoundDay] = {}
    for number, event in enumerate(_events(_lines(raw))):
        if number >= MOST_EVENTS:
            raise CalendarFileError(_("The file holds more than %(n)d events.") % {"n": MOST_EVENTS})
        for day in _days(event, year):
            if day.date not in found or day.kind == WORKDAY:
                found[day.date] = day
    if not found:
        raise CalendarFileError(_("The file names no day: it needs all-day events with a date."))
    return [found[each] for each in sorted(found)]


def _lines(raw: bytes) -> list[str]:
    if len(raw) > MOST_BYTES:
        raise CalendarFileError(_("The file is larger than 1 MB: export a calendar of holidays alone."))
    try:
        lines = _unfolded(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise CalendarFileError(_("The file is not text in UTF-8.")) from None
    if not lines or lines[0].strip().upper() != "BEGIN:VCALENDAR":
        raise CalendarFileError(_("This is no iCalendar file: it does not begin with BEGIN:VCALENDAR."))
    return lines


def write_days(name: str, days: Iterable[tuple[date, str, str]], *, stamp: datetime) -> str:
    """An .ics file of (date, kind, name), which `read_days` reads back."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Operations portal//Calendar//EN",
        f"X-WR-CALNAME:{_escaped(name)}",
    ]
    for day, kind, title in days:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{day:%Y%m%d}-{kind}@portal",
            f"DTSTAMP:{stamp:%Y%m%dT%H%M%SZ}",
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}",
            f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_escaped(title)}",
            f"X-PORTAL-KIND:{kind}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    return "\r\n".join(piece for line in [*lines, "END:VCALENDAR"] for piece in _folded(line)) + "\r\n"


def _unfolded(text: str) -> list[str]:
    """Lines; one that begins with a space goes on with the line before."""
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += line[1:]
        elif line:
            lines.append(line)
    return lines


def _folded(line: str) -> Iterator[str]:
    """At most 75 bytes a line, never inside a character."""
    piece = ""
    for char in line:
        if len((piece + char).encode()) > 74:
            yield piece
            piece = " "
        piece += char
    yield piece


def _events(lines: list[str]) -> Iterator[dict[str, str]]:
    """The properties of each event that stands in no other component (an alarm has its own)."""
    event: dict[str, str] | None = None
    depth = 0
    for line in lines:
        head, _colon, value = line.partition(":")
        name = head.partition(";")[0].strip().upper()
        if name == "BEGIN":
            depth += event is not None
            event = {} if event is None and value.strip().upper() == "VEVENT" else event
        elif name == "END":
            if event is not None and depth == 0:
                yield event
                event = None
            depth = max(depth - 1, 0)
        elif event is not None and depth == 0:
            event[name] = value.strip()


def _days(event: Mapping[str, str], year: int) -> Iterator[FoundDay]:
    if event.get("STATUS", "").upper() == "CANCELLED" or "DTSTART" not in event:
        return
    first = _date(event["DTSTART"])
    last = _date(event["DTEND"]) - timedelta(days=1) if "DTEND" in event else first
    length = max((last - first).days + 1, 1)
    name = _plain(event.get("SUMMARY", ""))[:100].strip()
    if length > LONGEST_EVENT:
        words = _("The event “%(name)s” lasts longer than a year.")
        raise CalendarFileError(words % {"name": name[:50]})
    kind = _kind(event, name)
    for start in _starts(first, event.get("RRULE", ""), year, name):
        for place in range(length):
            yield FoundDay(start + timedelta(days=place), kind, name)


def _kind(event: Mapping[str, str], name: str) -> str:
    own = event.get("X-PORTAL-KIND", "").lower()
    if own in (HOLIDAY, WORKDAY):
        return own
    special = event.get("X-APPLE-SPECIAL-DAY", "").upper()
    return WORKDAY if special == "ALTERNATE-WORKDAY" or _MAKE_UP.search(name) else HOLIDAY


def _starts(first: date, rule: str, year: int, name: str) -> Iterator[date]:
    if not rule:
        yield first
        return
    parts = dict(part.upper().split("=", 1) for part in rule.split(";") if "=" in part)
    known = {"FREQ", "COUNT", "UNTIL", "INTERVAL", "WKST"}
    if parts.get("FREQ") != "YEARLY" or parts.keys() - known or parts.get("INTERVAL", "1") != "1":
        words = _("The event “%(name)s” recurs by a rule that is not read (%(rule)s): only a yearly fixed date is.")
        raise CalendarFileError(words % {"name": name[:50], "rule": rule[:60]})
    until = _date(parts["UNTIL"]) if "UNTIL" in parts else None
    count = int(parts["COUNT"]) if parts.get("COUNT", "").isdecimal() else None
    for step in range(count if count is not None else max(year + YEARS_AFTER - first.year + 1, 1)):
        try:
            start = first.replace(year=first.year + step)
        except ValueError:  # 29 February
            continue
        if (until is None or start <= until) and year - YEARS_BEFORE <= start.year <= year + YEARS_AFTER:
            yield start


def _date(text: str) -> date:
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        found = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise CalendarFileError(_("“%(text)s” is no date of an event.") % {"text": text[:30]}) from None
    if not 1970 <= found.year <= 2099:
        raise CalendarFileError(_("An event lies outside the years 1970 to 2099."))
    return found


def _plain(text: str) -> str:
    return re.sub(r"\\([\\;,nN])", lambda match: " " if match[1] in "nN" else match[1], text)


def _escaped(text: str) -> str:
    return re.sub(r"([\\;,])", r"\\\1", text).replace("\n", " ").replace("\r", " ")
