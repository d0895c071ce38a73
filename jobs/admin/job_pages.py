"""The page on which a job is made, changed or looked at."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.forms import AdminForm

from accounts.admin_scope import current_tenant
from accounts.models import User
from jobs import catalog, labels, nodes
from jobs.admin import schedule_form
from jobs.admin.job_form import JobForm
from jobs.models import Job
from jobs.queries import job_activity
from jobs.scheduling.presets import PRESETS

if TYPE_CHECKING:
    from jobs.admin.job_admin import JobAdmin


def edit(request: HttpRequest, page: "JobAdmin", job: Job | None, extra: dict[str, Any]) -> HttpResponse:
    """A valid POST saves whole or not at all; everything else shows the form with what is wrong."""
    may_write = page.has_change_permission(request, job) if job else page.has_add_permission(request)
    if not may_write and (job is None or request.method == "POST"):
        raise PermissionDenied
    tenant = job.tenant if job else current_tenant(request)
    data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = JobForm(data, files, job=job, tenant=tenant, user=cast(User, request.user))
    formset = schedule_form.formset_for(data, job, tenant)
    if data is not None and all([form.is_valid(), formset.is_valid()]):
        saved = _save(request, job, form, formset)
        if saved is not None:
            return _after(request, saved, is_new=job is None)
    shown = {"form": form, "formset": formset, "may_write": may_write}
    context = {**page.admin_site.each_context(request), **_context(page, job, **shown), **extra}
    context["may_run"] = job is not None and page.has_run_permission(request, job)
    return page.render_change_form(request, context, add=job is None, change=job is not None, obj=job)


def _save(request: HttpRequest, job: Job | None, form: JobForm, formset: Any) -> Job | None:
    """The saved job; None when the catalogue refused, its words then stand at the fields."""
    user = cast(User, request.user)
    specs, used = schedule_form.specs_of(formset)
    given: dict[str, Any] = {
        "actor": user,
        "slug": form.cleaned_data["slug"],
        "definition": form.definition(),
        "schedules": specs,
        "is_enabled": form.cleaned_data["is_enabled"],
    }
    try:
        with transaction.atomic():
            if job is None:
                assert form.tenant is not None  # noqa: S101 - the add page asks for a tenant first
                job = catalog.create_job(tenant=form.tenant, **given)
            else:
                catalog.update_job(job, **given)
            labels.save_labels(job, actor=user, labels=form.cleaned_data["labels"])
    except catalog.CatalogError as refusal:
        form.blame(schedule_form.blame(used, refusal.errors))
        return None
    return job


def _after(request: HttpRequest, job: Job, *, is_new: bool) -> HttpResponse:
    words = _("The job “%(job)s” was created.") if is_new else _("The job “%(job)s” was saved.")
    messages.success(request, words % {"job": job.name})
    if job.queue not in nodes.served_queues(now=timezone.now()):
        unserved = _("No live worker serves the queue “%(queue)s”: its runs wait until one does.")
        messages.warning(request, unserved % {"queue": job.queue})
    if "_addanother" in request.POST:
        return HttpResponseRedirect(reverse("admin:jobs_job_add"))
    if "_run" in request.POST:
        return HttpResponseRedirect(reverse("admin:jobs_job_run", args=[job.pk]))
    if "_continue" in request.POST:
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))
    return HttpResponseRedirect(reverse("admin:jobs_job_changelist"))


def _context(page: "JobAdmin", job: Job | None, *, form: JobForm, formset: Any, may_write: bool) -> dict[str, Any]:
    if not may_write:
        for field in [*form.fields.values(), *(f for each in formset.forms for f in each.fields.values())]:
            field.disabled = True
    fieldsets = [row for row in form.fieldsets if row[1]["fields"]]
    return {
        "title": job.name if job else _("New job"),
        "adminform": AdminForm(form, fieldsets, {}, (), model_admin=page),
        "formset": formset,
        "object_id": str(job.pk) if job else None,
        "original": job,
        "is_popup": False,
        "to_field": None,
        "media": page.media + form.media,
        "inline_admin_formsets": [],
        "errors": [*form.errors.values(), *(error for each in formset.forms for error in each.errors.values())],
        "preserved_filters": "",
        "may_write": may_write,
        "show_save": may_write,
        "show_save_and_continue": may_write,
        "presets": PRESETS,
        "zones": schedule_form.zones(),
        "activity": _activity(job),
    }


def _activity(job: Job | None) -> Any:
    if job is None:
        return None
    return job_activity([job], runs=job.runs.all(), schedules=job.schedules.all())[job.pk]
