"""The fire ledger of a job or of a tenant: the headline, the sums by fate, every due moment, and a CSV of them."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from accounts.admin_scope import allows, user_of
from accounts.permissions import visible_to
from jobs import fireledger, outages, reasons
from jobs.admin.fire_scope import Chosen, Scope, choices, chosen_period, local_input, scope_of
from jobs.fates import Fate
from jobs.models import Job, Run
from jobs.queries.fireledger import FireLedger, Moment, fire_ledger, later_runs
from jobs.states import ReasonCode

if TYPE_CHECKING:
    from jobs.admin.fire_pages import FirePages

PER_PAGE = 100
# Colour, icon: each fate has its own shape, colour is never the only sign.
LOOKS = {
    Fate.ON_TIME: ("good", "check_circle"),
    Fate.LATE: ("warn", "schedule"),
    Fate.FAILED: ("bad", "cancel"),
    Fate.RUNNING: ("live", "progress_activity"),
    Fate.WAITING: ("info", "hourglass_top"),
    Fate.SKIPPED: ("plain", "skip_next"),
    Fate.CALENDAR: ("plain", "event_busy"),
    Fate.FROZEN: ("info", "ac_unit"),
    Fate.CANCELLED: ("plain", "block"),
    Fate.MISSED: ("warn", "alarm_off"),
    Fate.UNDECIDED: ("warn", "pending"),
    Fate.UNACCOUNTED: ("bad", "report"),
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One due moment as the page shows it."""

    moment: Moment
    job: Job | None
    reason: str
    later: int | None

    @property
    def late(self) -> timedelta | None:
        return max(self.moment.late_by, timedelta(0)) if self.moment.late_by is not None else None

    @property
    def look(self) -> tuple[str, str]:
        return LOOKS[self.moment.fate]


def fires(request: HttpRequest, page: "FirePages", job: Job | None) -> HttpResponseBase:
    """?period=… or ?from=…&to=…, ?fate=… to list some only, ?page=…, ?format=csv."""
    scope, chosen = scope_of(request, job), chosen_period(request)
    ledger = fire_ledger(scope.runs, scope.schedules, chosen.period, now=chosen.now)
    fate = request.GET.get("fate", "")
    fate = fate if fate in Fate.values else ""
    listed = fireledger.listed(ledger, [fate] if fate else [])
    if request.GET.get("format") == "csv":
        return _csv(scope, listed)
    numbered: Page[Moment] = Paginator(listed, PER_PAGE).get_page(request.GET.get("page"))
    blamed = fireledger.blame(ledger, outages.during(chosen.period.since, chosen.period.until), now=chosen.now)
    runnable = visible_to(user_of(request), scope.jobs, "run")
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": _("Fire ledger"),
        "job": job,
        "original": job,
        "ledger": ledger,
        "headline": fireledger.headline(ledger, blamed),
        "is_whole": fireledger.is_whole(ledger),
        "blamed": [(each.count, outages.sentence(each.outage)) for each in blamed],
        "sums": sums(ledger, chosen, fate),
        "reasons": reason_sums(ledger),
        "lines": lines(scope, list(numbered)),
        "numbered": numbered,
        "chosen": chosen,
        "presets": choices(chosen),
        "since": local_input(chosen.period.since),
        "until": local_input(chosen.period.until),
        "fate": fate,
        "here": urlencode({**chosen.query, **({"fate": fate} if fate else {})}),
        "period_query": urlencode(chosen.query),
        "exact": urlencode(chosen.exact),
        "missed": ledger.counts.get(Fate.MISSED, 0) + ledger.counts.get(Fate.UNACCOUNTED, 0),
        "may_run": allows(request, "run", Job, job) if job else runnable.exists(),
        "shows_tenant": getattr(request, "tenant", None) is None,
    }
    return TemplateResponse(request, "admin/jobs/job/fires.html", context)


def sums(ledger: FireLedger, chosen: Chosen, fate: str) -> list[dict[str, Any]]:
    """A card for each fate that occurred; a click lists its moments."""
    return [
        {
            "label": each.label,
            "count": fireledger.number(ledger.counts[each]),
            "tone": LOOKS[each][0],
            "icon": LOOKS[each][1],
            "query": urlencode(chosen.query if each == fate else {**chosen.query, "fate": each}),
            "is_on": each == fate,
        }
        for each in Fate
        if ledger.counts.get(each)
    ]


def reason_sums(ledger: FireLedger) -> list[tuple[str, str, str]]:
    """(fate, reason, how many), the most frequent first."""
    ordered = sorted(ledger.reasons.items(), key=lambda item: -item[1])
    return [
        (str(fate.label), str(ReasonCode(code).label) if code in ReasonCode.values else code, fireledger.number(count))
        for (fate, code), count in ordered
    ]


def lines(scope: Scope, moments: Sequence[Moment]) -> list[Line]:
    """The moments of one page, with their jobs' names and their runs' reasons."""
    runs = {
        run.pk: run
        for run in Run.objects.filter(pk__in=[each.run_id for each in moments if each.run_id]).only(
            "pk", "reason", "reason_args", "reason_code", "coalesced"
        )
    }
    jobs = scope.jobs.select_related("tenant").in_bulk({each.job_id for each in moments})
    later = later_runs(scope.runs, [each for each in moments if each.fate in {Fate.MISSED, Fate.UNACCOUNTED}])
    return [
        Line(
            moment=each,
            job=jobs.get(each.job_id),
            reason=_reason(each, runs.get(each.run_id or 0)),
            later=later.get((each.job_id, each.at)),
        )
        for each in moments
    ]


def _reason(moment: Moment, run: Run | None) -> str:
    if run is None:
        if moment.fate == Fate.UNDECIDED:
            return _("Beat has not decided it yet.")
        return _("The ledger has no row for it: this must not happen. Run check_ledger and tell your operator.")
    if run.coalesced > 1 and moment.number == 1 and moment.fate == Fate.MISSED:
        return str(ReasonCode.MISFIRE.label)  # the row's own sentence speaks of all of its instants
    return reasons.of(run)


def _csv(scope: Scope, moments: Sequence[Moment]) -> StreamingHttpResponse:
    jobs = dict(scope.jobs.values_list("pk", "slug"))
    later = later_runs(scope.runs, [each for each in moments if each.fate in {Fate.MISSED, Fate.UNACCOUNTED}])
    writer = csv.writer(_Echo())

    def rows() -> Iterator[str]:
        head = ("due_at", "job", "fate", "reason_code", "run", "late_seconds", "instants", "run_later")
        yield "\ufeff" + writer.writerow(head)
        for each in moments:
            late = "" if each.late_by is None else f"{max(each.late_by.total_seconds(), 0):.3f}"
            slug = str(jobs.get(each.job_id, ""))
            yield writer.writerow(
                (
                    each.at.isoformat(), f"'{slug}" if slug.startswith(FORMULA) else slug, each.fate.value,
                    each.reason_code, each.run_id or "", late, each.number, later.get((each.job_id, each.at), ""),
                )
            )  # fmt: skip

    name = f"fires-{scope.job.slug}.csv" if scope.job else "fires.csv"
    return StreamingHttpResponse(
        rows(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


class _Echo:
    """A file that gives back what is written, so that rows can be streamed."""

    def write(self, text: str) -> str:
        return text
