"""The fire ledger in words: the headline that says what was expected, what ran, and why the rest did not."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import outages
from jobs.fates import RAN, Fate
from jobs.models import Outage
from jobs.queries.fireledger import FireLedger, Moment

MOST_BLAMED = 3
# Of what did not run, in the order a reader wants to know.
_NOT_RUN = (
    Fate.UNACCOUNTED, Fate.MISSED, Fate.UNDECIDED, Fate.SKIPPED, Fate.FROZEN, Fate.CALENDAR, Fate.CANCELLED,
    Fate.WAITING, Fate.RUNNING,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Blamed:
    """An outage, and how many due moments fell into it without being run."""

    outage: Outage
    count: int


def blame(ledger: FireLedger, found: Iterable[Outage], *, now: datetime) -> list[Blamed]:
    """The outages in which due moments were missed, or are not decided yet, oldest first."""
    lost = [moment.at for moment in ledger.moments if moment.fate in {Fate.MISSED, Fate.UNDECIDED}]
    blamed = []
    for outage in found:
        first = bisect_right(lost, outage.began_at)
        last = bisect_left(lost, outage.ended_at or now) if outage.ended_at else len(lost)
        if last > first:
            blamed.append(Blamed(outage=outage, count=last - first))
    return blamed


def headline(ledger: FireLedger, blamed: Sequence[Blamed]) -> str:
    """Expected 1,440, ran 1,438, 2 missed: Scheduler silent 03:10–03:12."""
    if not ledger.expected:
        return _("Nothing was due in this period.")
    parts = [
        _("Expected %(number)s") % {"number": number(ledger.expected)},
        _("ran %(number)s") % {"number": number(ledger.ran)},
        *(count_text(fate, ledger.counts[fate]) for fate in _NOT_RUN if ledger.counts.get(fate)),
    ]
    text = _(", ").join(parts)
    if blamed:
        reasons = [
            _("%(subject)s silent %(span)s")
            % {
                "subject": outages.label(each.outage.subject),
                "span": outages.span_text(each.outage.began_at, each.outage.ended_at),
            }
            for each in blamed[:MOST_BLAMED]
        ]
        if len(blamed) > MOST_BLAMED:
            reasons.append(_("and %(n)d more outages") % {"n": len(blamed) - MOST_BLAMED})
        return _("%(sums)s: %(reasons)s.") % {"sums": text, "reasons": _(", ").join(reasons)}
    return _("%(sums)s.") % {"sums": text}


def count_text(fate: Fate, count: int) -> str:
    """2 missed."""
    words = {
        Fate.UNACCOUNTED: ngettext("%(n)s unaccounted for", "%(n)s unaccounted for", count),
        Fate.MISSED: ngettext("%(n)s missed", "%(n)s missed", count),
        Fate.UNDECIDED: ngettext("%(n)s not decided yet", "%(n)s not decided yet", count),
        Fate.SKIPPED: ngettext("%(n)s skipped", "%(n)s skipped", count),
        Fate.FROZEN: ngettext("%(n)s frozen", "%(n)s frozen", count),
        Fate.CALENDAR: ngettext("%(n)s excluded by the calendar", "%(n)s excluded by the calendar", count),
        Fate.CANCELLED: ngettext("%(n)s cancelled", "%(n)s cancelled", count),
        Fate.WAITING: ngettext("%(n)s waiting", "%(n)s waiting", count),
        Fate.RUNNING: ngettext("%(n)s running", "%(n)s running", count),
    }
    return words[fate] % {"n": number(count)}


def number(value: int) -> str:
    """1,440."""
    return number_format(value, force_grouping=True)


def is_whole(ledger: FireLedger) -> bool:
    """Whether everything that was due ran, or was left out on purpose."""
    fine = {*RAN, Fate.CALENDAR, Fate.FROZEN, Fate.RUNNING, Fate.WAITING}
    return all(fate in fine for fate, count in ledger.counts.items() if count) and not ledger.counts.get(Fate.FAILED)


def listed(ledger: FireLedger, fates: Iterable[str]) -> list[Moment]:
    """The moments of these fates; all of them when none is named."""
    wanted = set(fates)
    return [moment for moment in ledger.moments if not wanted or moment.fate in wanted]
