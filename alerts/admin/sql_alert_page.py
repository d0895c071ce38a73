"""The page of the one form: shown, tried, saved whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.admin_scope import allows, current_tenant, may_add, scoped_related, user_of
from accounts.models import Tenant
from alerts import sqlalert, trials
from alerts.admin import backtest_view, sql_alert_preview
from alerts.admin.sql_alert_form import BaseSqlAlertForm, SqlAlertForm, fieldsets
from alerts.models import AlertRule, Channel, NotificationRule
from datasources import console
from datasources.models import DataSource, SqlScript
from jobs.admin import schedule_form
from jobs.models import Job
from jobs.models.schedule import TriggerKind
from jobs.scheduling.presets import PRESETS
from jobs.timetable import ScheduleSpec
from portal.lib.fielderrors import FieldErrors

if TYPE_CHECKING:
    from alerts.admin.rule_admin import AlertRuleAdmin

FORM, PREVIEW = "admin/alerts/alertrule/sql.html", "admin/alerts/alertrule/_preview.html"
USUAL = ScheduleSpec(kind=TriggerKind.INTERVAL, expression="5m")


def may_make(request: HttpRequest) -> bool:
    """Whether somebody may add both of what a SQL alert is made of."""
    return may_add(request, AlertRule) and may_add(request, Job)


def may_change(request: HttpRequest, rule: AlertRule) -> bool:
    return allows(request, "change", AlertRule, rule) and allows(request, "change", Job, rule.job)


def address_of(request: HttpRequest, rule: AlertRule | None) -> str:
    """Of the page of this alert; empty where there is none, or not for this person."""
    if rule is None or not sqlalert.is_sql_alert(rule) or not may_change(request, rule):
        return ""
    return reverse("admin:alerts_alertrule_sql_change", args=[rule.pk])


def edit(request: HttpRequest, page: AlertRuleAdmin, rule: AlertRule | None) -> HttpResponse:
    """GET shows; POST saves, or with `_preview` or `_backtest` only tries."""
    tenant = rule.tenant if rule else current_tenant(request)
    if rule is not None and not sqlalert.is_sql_alert(rule):
        return HttpResponseRedirect(reverse("admin:alerts_alertrule_change", args=[rule.pk]))
    if not (may_change(request, rule) if rule else may_make(request)):
        raise PermissionDenied
    if tenant is None:
        messages.warning(request, _("Choose a tenant first: a new entry belongs to the tenant you work in."))
        return HttpResponseRedirect(reverse(f"{page.admin_site.name}:index"))
    posted = request.POST if request.method == "POST" else None
    form = _form(request, page, rule, tenant, posted)
    formset = _schedules(posted, rule, tenant)
    if posted is not None and "_preview" in posted:
        return _previewed(request, page, rule, form, formset)
    if posted is not None and "_backtest" in posted:
        return _tried(request, page, form)
    if posted is not None and all([form.is_valid(), formset.is_valid()]):
        saved = _save(request, form, formset, rule, tenant)
        if saved is not None:
            return saved
    return _show(request, page, rule, form, formset, {})


# --- the form ---------------------------------------------------------------------------------------------------------


def _form(
    request: HttpRequest, page: AlertRuleAdmin, rule: AlertRule | None, tenant: Tenant, posted: Any
) -> BaseSqlAlertForm:
    def own(model: Any, verb: str) -> Any:
        return scoped_related(request, model, verb=verb, tenant_id=tenant.pk).order_by("name", "pk")

    choices = {
        "sources": own(DataSource, "use").filter(is_active=True),
        "scripts": own(SqlScript, "use"),
        "offered": own(Channel, "view"),
    }
    bound = page.mixed_form(type("SqlAlertForm", (SqlAlertForm,), choices), request)
    made = page.get_form(request, rule, change=rule is not None, form=bound, fields=flatten_fieldsets(fieldsets()))
    form: BaseSqlAlertForm = made(posted, instance=rule, initial=_initial(request) if rule is None else {})
    return form


def _initial(request: HttpRequest) -> dict[str, Any]:
    """What the console remembers of `?query=`; a `?datasource=`."""
    record = console.remembered(user_of(request), request.GET.get("query", ""))
    if record is not None:
        return {"datasource": record.datasource_id, "sql": record.text, "values_json": record.values}
    chosen = request.GET.get("datasource", "")
    return {"datasource": int(chosen)} if chosen.isdecimal() and len(chosen) < 19 else {}


def _schedules(posted: Any, rule: AlertRule | None, tenant: Tenant) -> Any:
    formset = schedule_form.formset_for(posted, rule.job if rule else None, tenant)
    if rule is None:
        formset.initial[-1].update(kind=USUAL.kind, expression=USUAL.expression)
    return formset


def _show(
    request: HttpRequest,
    page: AlertRuleAdmin,
    rule: AlertRule | None,
    form: BaseSqlAlertForm,
    formset: Any,
    extra: dict[str, Any],
) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": rule.name if rule else _("New SQL alert"),
        "adminform": AdminForm(form, fieldsets(), {}, (), model_admin=page),
        "form": form,
        "formset": formset,
        "original": rule,
        "job": rule.job if rule else None,
        "others": rule.job.alert_rules.exclude(pk=rule.pk).count() if rule and rule.job else 0,
        "media": page.media + form.media,
        "may_write": True,
        "presets": PRESETS,
        "zones": schedule_form.zones(),
        "backtest_choices": backtest_view.choices(),
        "backtest_url": request.get_full_path(),
        "has_errors": bool(form.errors) or any(each.errors for each in formset.forms),
        **extra,
    }
    return TemplateResponse(request, FORM, context)


# --- trying -----------------------------------------------------------------------------------------------------------


def _previewed(
    request: HttpRequest, page: AlertRuleAdmin, rule: AlertRule | None, form: BaseSqlAlertForm, formset: Any
) -> HttpResponse:
    form.is_valid()
    is_part = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    if form.asks:
        found = sql_alert_preview.context_of(form, user=user_of(request))
        form.forgive()
    else:
        form.forgive()
        found = {"preview_problem": " ".join(backtest_view.problems_of(form))} if is_part else {}
    if is_part:
        return TemplateResponse(request, PREVIEW, found)
    return _show(request, page, rule, form, formset, found)


def _tried(request: HttpRequest, page: AlertRuleAdmin, form: BaseSqlAlertForm) -> HttpResponse:
    if not form.is_valid():
        return backtest_view.respond(request, page, None, problems=backtest_view.problems_of(form))
    rule = form.instance
    if rule.job_id is None:
        words = _("There is no history yet: a back-test looks at runs of the alert's job, and saving makes the job.")
        return backtest_view.respond(request, page, None, problems=[words], is_form_wrong=False)
    notice = NotificationRule(
        tenant=rule.tenant,
        triggers=form.cleaned_data["triggers"],
        quiet_hours=form.quiet_hours,
        name=rule.name,
    )
    notice.chosen_channels = list(form.cleaned_data["channels"])  # type: ignore[attr-defined]
    days = backtest_view.days_of(request)
    others = trials.told_besides(rule, sqlalert.notice_of(rule))
    trial = trials.of_alert(rule, days=days, viewer=user_of(request), notices=[notice, *others])
    return backtest_view.respond(request, page, trial)


# --- saving -----------------------------------------------------------------------------------------------------------


def _save(
    request: HttpRequest, form: BaseSqlAlertForm, formset: Any, rule: AlertRule | None, tenant: Tenant
) -> HttpResponse | None:
    """None when a service refused; its words then stand at the fields."""
    specs, used = schedule_form.specs_of(formset)
    if not specs:
        formset.forms[-1].add_error("expression", _("Write how often it is looked at, such as 5m."))
        return None
    wanted = sqlalert.SqlAlert(
        rule=form.instance,
        params=form.params(),
        run_params=form.run_params(),
        schedules=specs,
        channels=list(form.cleaned_data["channels"]),
        triggers=form.cleaned_data["triggers"],
        quiet_hours=form.quiet_hours,
    )
    try:
        if rule is None:
            made = sqlalert.create(wanted, tenant=tenant, actor=user_of(request))
        else:
            made = sqlalert.change(wanted, actor=user_of(request))
    except FieldErrors as refusal:
        form.blame(schedule_form.blame(used, refusal.errors))
        return None
    words = (
        _("The alert “%(name)s” was saved.") if rule else _("The alert “%(name)s” was made; its first check is due.")
    )
    messages.success(request, words % {"name": made.name})
    if not wanted.channels:
        messages.warning(request, _("Nobody is told of it: it has no channel."))
    return HttpResponseRedirect(reverse("admin:alerts_alertrule_change", args=[made.pk]))
