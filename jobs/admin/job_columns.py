"""The columns of the job list."""

from django.contrib import admin
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import look
from jobs.models import Job
from jobs.queries import JobActivity
from portal.lib.labels import label_lines


class JobColumns:
    """Mixed into the job admin; each row carries `activity` and what the user may do to it."""

    @admin.display(description=gettext_lazy("job"), ordering="name")
    def title(self, job: Job) -> SafeString:
        url = reverse("admin:jobs_job_change", args=[job.pk])
        return format_html(
            '<span class="p-cell{}"><a class="p-strong p-break" href="{}">{}</a><small>'
            '<span class="material-symbols-outlined" style="font-size:14px;vertical-align:-2px" aria-hidden="true">'
            "{}</span> {} · {}{}{}</small></span>",
            "" if job.is_enabled else " p-off",
            url,
            job.name,
            look.kind_icon(job.kind),
            look.kind_label(job.kind),
            job.get_category_display(),
            "".join(f" · {line}" for line in label_lines(job.labels)),
            "" if job.is_enabled else f" · {_('disabled')}",
        )

    @admin.display(description=gettext_lazy("status"))
    def state(self, job: Job) -> SafeString:
        found = activity_of(job)
        note = f"× {found.running_count}" if found.running_count > 1 else ""
        shown = look.badge(found.status, note=note)
        if found.active is not None:
            return format_html('<a href="{}">{}</a>', _run_url(found.active.pk), shown)
        return shown

    @admin.display(description=gettext_lazy("last run"))
    def last_run(self, job: Job) -> SafeString | str:
        last = activity_of(job).last
        if last is None:
            return "–"
        return format_html(
            '<a class="p-cell" href="{}"><span>{}</span><small>{}</small></a>',
            _run_url(last.pk),
            look.when(last.at),
            look.seconds_text(last.duration) if last.duration else look.look_of(last.status).label,
        )

    @admin.display(description=gettext_lazy("next run"))
    def next_run(self, job: Job) -> SafeString | str:
        found = activity_of(job)
        if found.next_fire_at is None:
            return "–"
        return format_html(
            '<span class="p-cell"><span>{}</span><small>{}</small></span>',
            look.when(found.next_fire_at, found.timezone),
            look.clock_time(found.next_fire_at, found.timezone),
        )

    @admin.display(description=gettext_lazy("latest results"))
    def history(self, job: Job) -> SafeString:
        found = activity_of(job)
        return format_html(
            '<span class="p-history">{}<span class="p-num p-quiet p-nowrap" title="{}">{}</span></span>',
            look.strip(found, _run_url(0)),
            look.rate_title(found),
            look.percent(found.success_rate) if found.success_rate is not None else "",
        )

    @admin.display(description="")
    def buttons(self, job: Job) -> SafeString:
        return render_to_string("admin/jobs/job/_row_buttons.html", {"job": job, "may": job.may})  # type: ignore[attr-defined]


def activity_of(job: Job) -> JobActivity:
    found: JobActivity = getattr(job, "activity", JobActivity(status="idle"))
    return found


def _run_url(pk: int) -> str:
    return reverse("admin:jobs_run_change", args=[pk])
