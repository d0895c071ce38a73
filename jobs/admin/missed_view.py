"""Run what was missed: a preview of the instants, and one click that runs them."""

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.admin_scope import user_of
from accounts.permissions import can, visible_to
from jobs import backfills
from jobs.admin.fire_scope import chosen_period, scope_of
from jobs.backfillplan import MOST_MISSED, Direction
from jobs.models import Backfill, Job

if TYPE_CHECKING:
    from jobs.admin.fire_pages import FirePages

SHOWN = 12


def missed(request: HttpRequest, page: "FirePages", job: Job | None) -> HttpResponse:
    """A GET shows what would run; a POST runs it. What others have taken meanwhile is left out."""
    user = user_of(request)
    scope, chosen = scope_of(request, job), chosen_period(request)
    if job is not None and not can(user, "run", job):
        raise PermissionDenied
    direction = request.POST.get("direction") or request.GET.get("direction") or Direction.OLDEST
    direction = direction if direction in Direction.values else Direction.OLDEST
    runnable = visible_to(user, scope.jobs.filter(archived_at=None), "run")
    error, picked, total = chosen.error, {}, 0
    try:
        offered = backfills.missed_instants(
            scope.runs.filter(job__in=runnable), scope.schedules.filter(job__in=runnable), chosen.period, now=chosen.now
        )
        total = sum(map(len, offered.values()))
        picked = backfills.choose_missed(offered, direction=direction)
    except backfills.BackfillRefusedError as refusal:
        error = str(refusal)
    jobs = runnable.select_related("tenant").in_bulk(picked)
    if request.method == "POST" and not error:
        return _run(request, job, [(jobs[pk], instants) for pk, instants in picked.items()], direction)
    back = reverse("admin:jobs_job_fires", args=[job.pk]) if job else reverse("admin:jobs_job_tenant_fires")
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": _("Run what was missed"),
        "job": job,
        "original": job,
        "picked": [
            (jobs[pk], sorted(instants)[:SHOWN], max(len(instants) - SHOWN, 0), len(instants))
            for pk, instants in picked.items()
        ],
        "count": sum(map(len, picked.values())),
        "total": total,
        "most": MOST_MISSED,
        "is_cut": total > MOST_MISSED,
        "direction": direction,
        "directions": Direction.choices,
        "chosen": chosen,
        "error": error,
        "exact": urlencode(chosen.exact),
        "back": f"{back}?{urlencode(chosen.query)}",
        "shows_tenant": getattr(request, "tenant", None) is None,
    }
    return TemplateResponse(request, "admin/jobs/job/missed.html", context)


def _run(request: HttpRequest, job: Job | None, picked: list[tuple[Job, list]], direction: str) -> HttpResponse:  # type: ignore[type-arg]
    user = user_of(request)
    made: list[Backfill] = []
    for each, instants in picked:
        try:
            backfill = backfills.run_missed(each, instants, actor=user, direction=direction)
        except backfills.BackfillRefusedError as refusal:
            messages.error(request, f"{each.name}: {refusal}")
            continue
        made += [backfill] if backfill else []
    count = sum(backfill.total_count for backfill in made)
    if not made:
        messages.info(request, _("There was nothing left to run: somebody else has taken it."))
        back = reverse("admin:jobs_job_fires", args=[job.pk]) if job else reverse("admin:jobs_job_tenant_fires")
        return HttpResponseRedirect(back)
    words = ngettext("%(n)d missed fire time is being run.", "%(n)d missed fire times are being run.", count)
    messages.success(request, words % {"n": count})
    if len(made) == 1:
        return HttpResponseRedirect(reverse("admin:jobs_backfill_change", args=[made[0].pk]))
    return HttpResponseRedirect(reverse("admin:jobs_backfill_changelist"))
