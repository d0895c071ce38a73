"""The job's page, with who is told of it and what watches it. jobs knows no alerts, so its page is extended here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from accounts.admin_scope import may_add, user_of
from accounts.permissions import visible_to
from alerts import look
from alerts.admin import concerns
from alerts.admin.notice_list import timing_in_words, triggers_in_words
from alerts.models import AlertRule, NotificationRule
from alerts.queries import rule_findings
from alerts.shelf import selector_of, target_of
from alerts.states import Source
from jobs.admin.job_admin import JobAdmin
from jobs.models import Job

MOST = 50

admin.site.unregister(Job)


@admin.register(Job)
class JobWithAlerts(JobAdmin):
    change_form_template = "admin/alerts/job/change_form.html"  # type: ignore[misc]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        if object_id:
            extra |= _told_of(request, self.get_object(request, unquote(object_id)))
        return super().changeform_view(request, object_id, form_url, extra)


def _told_of(request: HttpRequest, job: Job) -> dict[str, Any]:
    user = user_of(request)
    notices = visible_to(user, NotificationRule.objects.filter(tenant=job.tenant_id))
    rules = visible_to(user, AlertRule.objects.filter(tenant=job.tenant_id))
    notices = notices.filter(Q(job=job) | Q(job=None, alert_rule=None))
    rules = rules.filter(Q(job=job) | Q(job=None))
    own = [one for one in notices.select_related("job", "alert_rule").prefetch_related("channels") if _tells(one, job)]
    watching = [one for one in rules.select_related("job") if _watches(one, job)][:MOST]
    found = rule_findings(watching)
    return {
        "notices": [_notice(one) for one in own[:MOST]],
        "alert_rules": [(one, look.state_badge(found[one.pk].state)) for one in watching],
        "may_add_notice": may_add(request, NotificationRule),
        "may_add_alert": may_add(request, AlertRule),
    }


def _tells(rule: NotificationRule, job: Job) -> bool:
    if rule.job_id or rule.alert_rule_id:
        return rule.job_id == job.pk
    selector = selector_of(rule.selector)
    return selector is not None and not selector.rules and selector.fits(target_of(job))


def _watches(rule: AlertRule, job: Job) -> bool:
    if rule.source == Source.PORTAL or rule.job_id:
        return rule.job_id == job.pk
    selector = selector_of(rule.selector)
    return selector is not None and selector.fits(target_of(job))


def _notice(rule: NotificationRule) -> dict[str, Any]:
    return {
        "rule": rule,
        "triggers": triggers_in_words(rule),
        "timing": timing_in_words(rule),
        "channels": ", ".join(channel.name for channel in rule.channels.all()),
        "concerns": "" if rule.job_id else concerns.in_words(rule.selector),
    }
