"""Run now, and the revisions of a job. The caller has checked that the user may see the job."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import can
from jobs import runs
from jobs.admin.run_page import definition_diff, definition_parts
from jobs.models import Job, JobRevision
from jobs.runparams import RunParam, RunParamsError
from jobs.states import ACTIVE, Origin
from portal.lib.runparamforms import ParamsForm

if TYPE_CHECKING:
    from jobs.admin.job_admin import JobAdmin

MOST_REVISIONS = 100


class RunForm(ParamsForm):
    """One field for each parameter the published revision asks for."""

    asks_despite_freeze = False


def run_now(request: HttpRequest, page: "JobAdmin", job: Job) -> HttpResponse:
    """Asks with the parameters' fields; a POST makes the run and goes to its page."""
    user = cast(User, request.user)
    if not can(user, "run", job):
        raise PermissionDenied
    params = params_of(job)
    form = RunForm(params, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        run = _create(job, user, form, despite_freeze=request.POST.get("despite_freeze") == "yes")
        if run is not None:
            messages.success(request, _("Run #%(number)d was created.") % {"number": run.pk})
            return HttpResponseRedirect(reverse("admin:jobs_run_change", args=[run.pk]))
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": _("Run now"),
        "job": job,
        "original": job,
        "form": form,
        "active": job.runs.filter(status__in=ACTIVE).order_by("-id").first(),
    }
    return TemplateResponse(request, "admin/jobs/job/run_now.html", context)


def params_of(job: Job) -> list[RunParam]:
    definition = job.revision.definition if job.revision else {}
    return [RunParam.model_validate(each) for each in definition.get("run_params") or []]


def _create(job: Job, user: User, form: RunForm, *, despite_freeze: bool) -> Any:
    """The new run; None when it was refused, with the reason at its field."""
    create = runs.create_run_despite_freeze if despite_freeze else runs.create_run
    try:
        return create(job, origin=Origin.MANUAL, actor=user, params=form.values())
    except RunParamsError as refusal:
        for error in refusal.errors:
            form.add_error(error.path if error.path in form.fields else None, error.message)
    except runs.RunRefusedError as refusal:
        form.add_error(None, str(refusal))
        form.asks_despite_freeze = isinstance(refusal, runs.FrozenError) and refusal.may_override
    return None


def revisions(request: HttpRequest, page: "JobAdmin", job: Job) -> HttpResponse:
    """Every revision, and the difference between two of them."""
    found = list(job.revisions.select_related("author").order_by("-number")[:MOST_REVISIONS])
    new = _chosen(found, request.GET.get("new"), 0)
    older = [each for each in found if new is not None and each.number < new.number]
    old = _chosen(found, request.GET.get("old"), -1) or (older[0] if older else None)
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": _("Revisions"),
        "job": job,
        "original": job,
        "revisions": found,
        "old": old,
        "new": new,
        "diff": definition_diff(old, new) if old and new and old != new else [],
        "definition": definition_parts(new) if new else None,
    }
    return TemplateResponse(request, "admin/jobs/job/revisions.html", context)


def _chosen(found: list[JobRevision], text: str | None, default: int) -> JobRevision | None:
    if text and text.isdecimal():
        return next((each for each in found if str(each.number) == text), None)
    return found[0] if found and default == 0 else None
