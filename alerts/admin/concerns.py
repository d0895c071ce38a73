"""The part of a form that says what a rule or a silence concerns: one job, one alert rule, or what a selector fits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from accounts.models import Tenant, User
from accounts.permissions import visible_to
from alerts.models import AlertRule
from alerts.rulechecks import clean_selector
from jobs.models import Job
from jobs.models.job import Category
from portal.lib.fielderrors import FieldError
from portal.lib.paramforms import LinesField

JOB, RULE, SELECTOR = "job", "rule", "selector"
MOST_OFFERED = 3000
CHOICES = {
    JOB: gettext_lazy("One job"),
    RULE: gettext_lazy("One alert rule"),
    SELECTOR: gettext_lazy("All that fit"),
}
EMPTY_HELP = gettext_lazy("Empty: all of them.")


def chooser(*kinds: str) -> forms.ChoiceField:
    """Which of the blocks counts; jobform.js shows that one alone."""
    return forms.ChoiceField(
        label=gettext_lazy("Concerns"),
        choices=[(kind, CHOICES[kind]) for kind in kinds],
        widget=UnfoldAdminSelectWidget(attrs={"data-job-kind": "concerns"}),
    )


def several(label: Any) -> forms.MultipleChoiceField:
    widget = UnfoldAdminSelect2MultipleWidget()
    return forms.MultipleChoiceField(label=label, required=False, help_text=EMPTY_HELP, widget=widget)


class SelectorFields(forms.Form):
    """`fill` gives the choices; `read` the selector. Slugs that are gone stay chosen until somebody takes them out."""

    selector_jobs = several(gettext_lazy("Jobs"))
    selector_rules = several(gettext_lazy("Alert rules"))
    selector_categories = forms.MultipleChoiceField(
        label=gettext_lazy("Categories"),
        required=False,
        choices=Category.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=EMPTY_HELP,
    )
    selector_labels = LinesField(
        label=gettext_lazy("Labels"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("All of them, one per line: team=payments, team!=payments, urgent, !urgent."),
    )


NAMES = ("jobs", "rules", "categories", "labels")
FIELDS = [f"selector_{name}" for name in NAMES]


def tenant_of(form: Any) -> Tenant | None:
    """Of the row; a new one is given the portal's tenant only after the form's own `__init__`."""
    found: Tenant | None = form.instance.tenant if form.instance.tenant_id else getattr(form, "portal_tenant", None)
    return found


def fill(form: Any, stored: dict[str, Any]) -> None:
    """Choices and initial values of the selector's fields in the form."""
    tenant, user = tenant_of(form), getattr(form, "portal_actor", None)
    for name in NAMES:
        form.initial.setdefault(f"selector_{name}", stored.get(name, []))
    offered = {"selector_jobs": _jobs(tenant, user), "selector_rules": _rules(tenant, user)}
    for place, choices in offered.items():
        if place not in form.fields:
            continue
        gone = [slug for slug in form.initial.get(place) or [] if slug not in dict(choices)]
        form.fields[place].choices = [*choices, *((slug, slug) for slug in gone)]


def _jobs(tenant: Tenant | None, user: User | None) -> list[tuple[str, str]]:
    if tenant is None or user is None:
        return []
    rows = visible_to(user, Job.objects.filter(tenant=tenant, archived_at=None)).order_by("name", "slug")
    return [(slug, f"{name} ({slug})") for slug, name in rows.values_list("slug", "name")[:MOST_OFFERED]]


def _rules(tenant: Tenant | None, user: User | None) -> list[tuple[str, str]]:
    if tenant is None or user is None:
        return []
    rows = visible_to(user, AlertRule.objects.filter(tenant=tenant)).order_by("name", "slug")
    return [(slug, f"{name} ({slug})") for slug, name in rows.values_list("slug", "name")[:MOST_OFFERED]]


def given(form: Any, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """The selector that was filled in, for a service to judge."""
    return {
        name: form.cleaned_data.get(f"selector_{name}") or []
        for name in NAMES
        if name not in leave_out and f"selector_{name}" in form.fields
    }


def place_of(error: FieldError) -> str:
    """The form's field of "selector.labels[0]"."""
    return "selector_" + error.path.removeprefix("selector.").partition("[")[0].partition(".")[0]


def read(form: Any) -> dict[str, Any]:
    """The selector as a row keeps it; what is wrong is said at its field."""
    found, errors = clean_selector(given(form))
    for error in errors:
        form.add_error(place_of(error), error.message)
    return found


def in_words(selector: dict[str, Any], *, job: Job | None = None, rule: AlertRule | None = None) -> str:
    """What it concerns, in one short sentence."""
    if job is not None:
        return _("Job “%(name)s”") % {"name": job.name}
    if rule is not None:
        return _("Alert “%(name)s”") % {"name": rule.name}
    categories = dict(Category.choices)
    parts = [
        *[str(slug) for slug in selector.get("jobs", [])[:5]],
        *[str(slug) for slug in selector.get("rules", [])[:5]],
        *[str(categories.get(name, name)) for name in selector.get("categories", [])],
        *[str(term) for term in selector.get("labels", [])],
    ]
    return ", ".join(parts) or _("Everything")
