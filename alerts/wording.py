"""What alerts say, for each reader's own language: rows keep the key of a sentence and its arguments. PURE.

As in `jobs.reasons`: {"key": <key of SENTENCES>, <argument>: <JSON>, …}. An argument whose name ends in _at is an ISO
time, one in _seconds a length of time; an argument may be another sentence's dict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from alerts.states import Trigger
from jobs import outages, reasons
from portal.lib.durations import format_duration
from portal.lib.said import Said, say_again

LONGEST = 500

# Key → sentence. Keys begin with what says it: a condition's kind, "any" for all conditions, "rows", "baseline", …
SENTENCES = {
    "any.no_result": _("The job's last statement gave no table, so there is nothing to check: let it end in a SELECT."),
    "any.bad_params": _("The condition's settings can't be used (%(cause)s): open the alert and save it again."),
    "any.crashed": _("The condition “%(kind)s” itself failed (%(cause)s): tell the people who run the portal."),
    "any.unknown_kind": _("This portal does not know conditions of kind “%(kind)s”: install it, or choose another."),
    "any.no_column": _("The result has no column “%(column)s”, only %(columns)s: correct the name in the condition."),
    "any.many_columns": _("The result has the column “%(column)s” twice: give each its own name with AS."),
    "any.no_rows": _("The query gave no row, so “%(column)s” has no value: use “Empty result” to watch for that."),
    "any.all_null": _("Every value of “%(column)s” is NULL: look why, or leave NULLs out in the query."),
    "any.some_null": ngettext_lazy(
        "%(count)d value of “%(column)s” is NULL, and the others don't decide it: use COALESCE, or ignore NULLs.",
        "%(count)d values of “%(column)s” are NULL, and the others don't decide it: use COALESCE, or ignore NULLs.",
        "count",
    ),
    "any.one_null": _("“%(column)s” is NULL in row %(row)d: use COALESCE, or leave such rows out in the query."),
    "any.not_a_number": _(
        "“%(column)s” holds “%(cell)s” in row %(row)d, which is no number: cast it in the query, or compare it as text."
    ),
    "any.not_a_time": _(
        "“%(column)s” holds “%(cell)s” in row %(row)d, which is no date or time: cast it in the query."
    ),
    "any.truncated": _(
        "Only the first %(count)d rows were kept, so it can't be decided: aggregate in the query, or keep more rows."
    ),
    "row_count.is": ngettext_lazy(
        "%(count)d row came back (%(operator)s %(threshold)s is bad).",
        "%(count)d rows came back (%(operator)s %(threshold)s is bad).",
        "count",
    ),
    "row_count.more": _("More than %(count)d rows came back (%(operator)s %(threshold)s is bad)."),
    "empty.yes": _("The result is empty."),
    "empty.no": ngettext_lazy("%(count)d row came back.", "%(count)d rows came back.", "count"),
    "empty.no_more": _("More than %(count)d rows came back."),
    "column_value.met": _("“%(column)s” is %(cell)s in row %(row)d (%(operator)s %(threshold)s is bad)."),
    "column_value.all_met": _("“%(column)s” is %(operator)s %(threshold)s in all %(count)d rows."),
    "column_value.not_met": _("“%(column)s” is not %(operator)s %(threshold)s in any of %(count)d rows."),
    "column_value.one_not_met": _("“%(column)s” is %(cell)s in row %(row)d (%(operator)s %(threshold)s is bad)."),
    "column_aggregate.is": _("The %(function)s of “%(column)s” is %(value)s (%(operator)s %(threshold)s is bad)."),
    "changed.first": _("This is the first result; the next one is compared with it."),
    "changed.yes": _("The result is not what it was at %(last_at)s."),
    "changed.no": _("The result is the same as at %(last_at)s."),
    "changed.column": _("“%(column)s” is not what it was at %(last_at)s."),
    "changed.same_column": _("“%(column)s” is the same as at %(last_at)s."),
    "compared.no_earlier": _("There is no value of %(when)s to compare with yet: wait until there is one."),
    "compared.by": _("It was %(old)s at %(old_at)s and is %(new)s now: a change by %(change)s."),
    "compared.by_percent": _("It was %(old)s at %(old_at)s and is %(new)s now: a change by %(change)s %%."),
    "compared.from_zero": _("It was 0 at %(old_at)s and is %(new)s now, which no percentage can tell."),
    "compared.last": _("the last check"),
    "compared.yesterday": _("the same hour yesterday"),
    "compared.last_week": _("the same hour a week ago"),
    "freshness.age": _(
        "The newest “%(column)s” is %(newest_at)s, %(age_seconds)s old; at most %(limit_seconds)s is fine."
    ),
    "freshness.future": _(
        "The newest “%(column)s” is %(newest_at)s, which is still to come: correct the time zone in the condition."
    ),
    "freshness.no_limit": _("The condition has no limit, and the job has no schedule to take one from: write a limit."),
    "function.sum": _("sum"),
    "function.min": _("minimum"),
    "function.max": _("maximum"),
    "function.average": _("average"),
    "rows.no_key_column": _(
        "The result has no key column “%(column)s”, so its rows can't be told apart: correct the alert or the query."
    ),
    "rows.many_key_columns": _("The result has the key column “%(column)s” twice: give each its own name with AS."),
    "rows.duplicates": ngettext_lazy(
        "%(count)d row has the key of another one and counts as the same: add a column to the key.",
        "%(count)d rows have the key of another one and count as the same: add a column to the key.",
        "count",
    ),
    "rows.null_key": ngettext_lazy(
        "%(count)d row has NULL in its key; such rows count as one: leave them out, or use COALESCE.",
        "%(count)d rows have NULL in their key; such rows count as one: leave them out, or use COALESCE.",
        "count",
    ),
    "rows.truncated": _(
        "Only the first %(count)d rows were kept, so it is not known which rows are gone: let the query give fewer."
    ),
    "rows.counts": _("%(new)d new, %(known)d known, %(resolved)d resolved"),
    "baseline.suspicious": _("usual %(usual)s; now %(now)s"),
    "baseline.and": _("%(first)s, %(rest)s"),
    "baseline.seconds": _("%(low)s s"),
    "baseline.seconds_range": _("%(low)s–%(high)s s"),
    "baseline.rows": ngettext_lazy("%(low)s row", "%(low)s rows", "count"),
    "baseline.rows_range": _("%(low)s–%(high)s rows"),
    "baseline.bytes": _("%(low)s bytes of output"),
    "baseline.bytes_range": _("%(low)s–%(high)s bytes of output"),
    "check.failed": _("The check of run #%(run)s failed: %(why)s"),
    "outcome.is": _("Run #%(run)s: %(outcome)s. %(why)s"),
    "outcome.fine": _("Run #%(run)s was fine."),
    "outage.began": _("%(subject)s has given no sign of life since %(began_at)s."),
    "outage.over": _("%(subject)s is back; it was silent from %(began_at)s to %(ended_at)s."),
    "outage.full": _("%(subject)s is nearly full since %(began_at)s."),
    "outage.room": _("%(subject)s has room again; it was nearly full from %(began_at)s to %(ended_at)s."),
    "incident.firing": _("%(rule)s fires"),
    "incident.error": _("%(rule)s: the check fails"),
    "incident.stale": _("%(rule)s: no result in time"),
    "incident.no_data": _("%(rule)s: no data"),
    "incident.datasource": ngettext_lazy(
        "The datasource “%(name)s” can't be reached: %(count)d alert waits for it",
        "The datasource “%(name)s” can't be reached: %(count)d alerts wait for it",
        "count",
    ),
    "incident.portal": ngettext_lazy(
        "%(subject)s is silent: %(count)d alert waits for a result",
        "%(subject)s is silent: %(count)d alerts wait for a result",
        "count",
    ),
    "incident.opened": _("%(rule)s: %(found)s"),
    "incident.joined": _("%(rule)s has the same cause: %(found)s"),
    "incident.left": _("%(rule)s is over."),
    "incident.recovered": _("%(rule)s has recovered."),
    "incident.renewed": _("%(rule)s was changed or enabled anew, and begins again."),
    "incident.job_deleted": _("The job was deleted: nothing of it is watched any more."),
    "incident.unconcerned": _("%(rule)s no longer concerns %(job)s: its labels or category were changed."),
    "incident.flapping": _("It changed %(count)s times: until it calms down nothing more is sent."),
    "incident.settled": _("It has not changed for a while; what happens is told again."),
    "incident.snoozed": _("Nothing is sent until %(until_at)s."),
    "incident.owner": _("%(name)s looks after it."),
    "incident.escalated": _("Step %(step)s: %(names)s"),
    "incident.nobody": _("Nobody was told: no notification rule names this alert. Add one, or choose a channel."),
    "incident.nobody_on_call": _("Nobody is on call by the rota “%(rota)s”; the admins are told."),
    "incident.kept_back": _("Nobody was told: a silence or quiet hours keep every message back."),
    "notice.silenced": _("A silence lasts until %(until_at)s."),
    "notice.quiet": _("It came in quiet hours, which drop it."),
    "notice.held": _("It is held back until %(until_at)s."),
    "notice.bad_hours": _(
        "The rule's quiet hours or digest can't be used, so it goes out at once: save the rule again."
    ),
    "contract.rows": ngettext_lazy(
        "At least %(least)s rows are agreed on; there was %(count)d.",
        "At least %(least)s rows are agreed on; there were %(count)d.",
        "count",
    ),
    "contract.no_row_count": _(
        "At least %(least)s rows are agreed on, but the run counts none: let it give the output row_count."
    ),
    "contract.seconds": _("It is agreed to take at least %(least)s s; it took %(seconds)s s."),
    "contract.output": _("Output is agreed on, and there was none."),
}


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence of SENTENCES with its arguments."""

    key: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON, for a row."""
        return {"key": self.key, **{name: _stored(value) for name, value in self.args.items()}}

    @property
    def text(self) -> str:
        """In the active language."""
        return render(self.stored)


def say(key: str, /, **args: Any) -> Sentence:
    return Sentence(key=key, args=args)


def render(stored: Mapping[str, Any] | None, fallback: str = "") -> str:
    """The stored sentence in the active language; a reason of `jobs.reasons` and a `Said` too."""
    if not stored:
        return fallback
    try:
        if "msgid" in stored:
            return say_again(stored)
        sentence = SENTENCES.get(str(stored.get("key", "")))
        if sentence is None:
            return reasons.render(fallback, stored)
        return str(sentence % {name: _shown(name, value) for name, value in stored.items()})[:LONGEST]
    except (KeyError, TypeError, ValueError):
        return fallback or gettext("The sentence could not be read.")


def _stored(value: Any) -> Any:
    if isinstance(value, Sentence):
        return value.stored
    if isinstance(value, Said):
        return value.source
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value[:LONGEST] if isinstance(value, str) else value


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return render(value)
    if name == "outcome" and value in Trigger.values:
        return str(Trigger(value).label)
    if name == "subject":
        return outages.label(str(value))
    if name.endswith("_at") and isinstance(value, str):
        # Its zone too: such a sentence is read in mail, far from a page that names one.
        return f"{reasons.time_text(datetime.fromisoformat(value))} {timezone.get_current_timezone()}"
    if name.endswith("_seconds"):
        return format_duration(timedelta(seconds=value))
    return value
