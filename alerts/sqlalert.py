"""A SQL alert from one form: its job with a schedule, its rule, and who is told, in one transaction or not at all.

The rows are those of every other form: `jobs.catalog`, `alerts.rules` and `alerts.books` write, check and audit them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from accounts.permissions import can
from alerts import books, rules
from alerts.models import AlertRule, Channel, NotificationRule
from alerts.states import Source, Trigger
from jobs import catalog
from jobs.definitions import plain
from jobs.models import Job
from jobs.models.job import Category
from jobs.timetable import ScheduleSpec
from portal.lib.fielderrors import FieldErrors

KIND = "sql"
LONGEST_SLUG = 80
DEFAULTS = {"timeout": "1m", "retry": {"max": 1, "backoff": "fixed", "base": "10s"}}
TOLD = (Trigger.FIRING, Trigger.RECOVERED, Trigger.ERROR, Trigger.STALE, Trigger.NO_DATA)


class SqlAlertError(FieldErrors):
    """The change is refused, nothing was saved; each error names its field."""


@dataclass(frozen=True, kw_only=True)
class SqlAlert:
    """What somebody filled in. `rule` has its columns set and is not saved; an empty slug is made from the name."""

    rule: AlertRule
    params: Mapping[str, Any]
    run_params: Sequence[Mapping[str, Any]]
    schedules: Sequence[ScheduleSpec]
    channels: Sequence[Channel]
    triggers: Sequence[str]
    quiet_hours: Mapping[str, Any] | None = None


def is_sql_alert(rule: AlertRule) -> bool:
    """Whether the one form can show it: a rule on the result of one SQL job."""
    return rule.source == Source.RESULT and rule.job is not None and rule.job.kind == KIND


def notice_of(rule: AlertRule) -> NotificationRule | None:
    """The notification rule that the form shows: the first of this alert alone."""
    return rule.notification_rules.order_by("pk").first() if rule.pk else None


def create(wanted: SqlAlert, *, tenant: Tenant, actor: User) -> AlertRule:
    """Job, schedules, rule and notification rule. Raises FieldErrors or PermissionDenied."""
    rule = wanted.rule
    rule.tenant, rule.source, rule.selector = tenant, Source.RESULT, {}
    rule.slug = rule.slug or free_slug(tenant, rule.name)
    with transaction.atomic():
        definition = {
            **DEFAULTS,
            "name": rule.name,
            "description": rule.description,
            "kind": KIND,
            "category": Category.MONITORING,
            "params": dict(wanted.params),
            "run_params": list(wanted.run_params),
        }
        rule.job = catalog.create_job(
            actor=actor,
            tenant=tenant,
            slug=free_slug(tenant, rule.slug),
            definition=definition,
            schedules=wanted.schedules,
        )
        _save_rule(rule, actor)
        _save_notice(wanted, actor)
    return rule


def change(wanted: SqlAlert, *, actor: User) -> AlertRule:
    """The same rows anew. Raises FieldErrors or PermissionDenied."""
    rule, job = wanted.rule, wanted.rule.job
    if job is None or not is_sql_alert(rule):
        raise SqlAlertError.of("", _("This alert does not look at the result of a SQL job: open its own page."))
    with transaction.atomic():
        before = AlertRule.objects.select_for_update().get(pk=rule.pk)
        definition = {
            **plain(catalog.definition_of(job)),
            "params": {**job.params, **wanted.params},
            "run_params": list(wanted.run_params),
        }
        if job.name == before.name:
            definition["name"] = rule.name
        catalog.update_job(job, actor=actor, definition=definition, schedules=wanted.schedules)
        _save_rule(rule, actor)
        _save_notice(wanted, actor)
    return rule


def free_slug(tenant: Tenant, name: str) -> str:
    """Of the name; one that neither a job nor an alert of the tenant has."""
    base = slugify(name)[: LONGEST_SLUG - 5] or "sql-alert"
    for number in count(1):
        slug = base if number == 1 else f"{base}-{number}"
        taken = Job.objects.filter(tenant=tenant, slug=slug).exists()
        if not taken and not AlertRule.objects.filter(tenant=tenant, slug=slug).exists():
            return slug
    raise AssertionError("the numbers do not end")


def _save_rule(rule: AlertRule, actor: User) -> None:
    words = _("There is already an alert “%(slug)s” in this tenant: choose another slug.") % {"slug": rule.slug}
    if AlertRule.objects.filter(tenant=rule.tenant_id, slug=rule.slug).exclude(pk=rule.pk).exists():
        raise SqlAlertError.of("slug", words)
    try:
        with transaction.atomic():
            rules.save_rule(rule, actor=actor)
    except IntegrityError:  # somebody saved the same slug a moment ago
        raise SqlAlertError.of("slug", words) from None


def _save_notice(wanted: SqlAlert, actor: User) -> None:
    """Who is told; without a channel nobody is, and a rule that is there is switched off."""
    rule = wanted.rule
    notice = notice_of(rule)
    if notice is None:
        if not wanted.channels:
            return
        notice = NotificationRule(tenant=rule.tenant, alert_rule=rule, name=rule.name)
    if not can(actor, "change" if notice.pk else "add", notice):
        words = _("You may not say who is told here: ask a tenant admin for the right, or leave it as it is.")
        raise SqlAlertError.of("channels", words)
    notice.is_enabled = bool(wanted.channels)
    notice.triggers = list(wanted.triggers)
    notice.quiet_hours = dict(wanted.quiet_hours) if wanted.quiet_hours else None
    books.save(notice, actor=actor)
    notice.channels.set(wanted.channels)
