"""The fields of a notification rule that are no columns of their own: triggers, policy, quiet hours, digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from alerts.admin import concerns
from alerts.admin.blocks import Block
from alerts.admin.durations import DurationField
from alerts.admin.spans import SpansField
from alerts.lengths import Limits
from alerts.noticefold import NoticePolicy
from alerts.quiethours import DAY, SHORTEST_DIGEST
from alerts.states import (
    ALERT_TRIGGERS,
    INCIDENT_TRIGGERS,
    PORTAL_TRIGGERS,
    RUN_ENDS,
    RUN_REMARKS,
    Severity,
    Trigger,
)

POLICY = Block("policy", NoticePolicy, leave_out=["triggers"])
GROUPS = (
    (_("How runs end"), RUN_ENDS),
    (_("What is odd about a run"), RUN_REMARKS),
    (_("Runs and alerts"), frozenset({Trigger.RECOVERED})),
    (_("Alerts"), ALERT_TRIGGERS - {Trigger.RECOVERED}),
    (_("Incidents"), INCIDENT_TRIGGERS),
    (_("The portal itself"), PORTAL_TRIGGERS),
)
LETS_THROUGH = [*((one.value, one.label) for one in Severity), ("", _("Nothing"))]
QUIET = ["quiet_spans", "quiet_timezone", "quiet_action", "quiet_lets_through"]
DIGEST = ["digest_every", "digest_starts", "digest_timezone", "digest_lets_through"]


def grouped_triggers() -> list[tuple[Any, list[tuple[str, Any]]]]:
    return [(name, [(one.value, one.label) for one in Trigger if one in group]) for name, group in GROUPS]


def _zone(**kwargs: Any) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"list": "portal-zones", "autocomplete": "off"})
    return forms.CharField(
        label=_("Time zone"), required=False, max_length=64, initial=settings.TIME_ZONE, widget=widget, **kwargs
    )


def _lets_through(label: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=LETS_THROUGH,
        initial=Severity.CRITICAL.value,
        widget=UnfoldAdminSelectWidget(),
    )


class NoticeFields(forms.Form):
    """Mixed into the form of notification rules."""

    triggers = forms.MultipleChoiceField(
        label=_("Tell when"),
        required=False,
        choices=grouped_triggers,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=_("“Recovered” is the first success after a failure that was told, or the end of an alert."),
    )
    quiet_spans = SpansField(
        label=_("Quiet"),
        required=False,
        help_text=_("On the days it begins; until a time that is not later means on the next day. No times: never."),
    )
    quiet_timezone = _zone()
    quiet_action = forms.ChoiceField(
        label=_("What comes then"),
        choices=[("hold", _("Is told when it is over")), ("drop", _("Is never told"))],
        widget=UnfoldAdminSelectWidget(),
        required=False,
    )
    quiet_lets_through = _lets_through(_("But this and worse is told at once"))
    digest_every = DurationField(
        label=_("Gather for"),
        required=False,
        limits=Limits(least=SHORTEST_DIGEST, most=DAY),
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "1h"}),
        help_text=_("One message for all of that time. Empty: each by itself. A day must divide into it evenly."),
    )
    digest_starts = forms.TimeField(
        label=_("Counted from"),
        required=False,
        initial="00:00",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "time"}),
    )
    digest_timezone = _zone()
    digest_lets_through = _lets_through(_("But this and worse goes by itself"))


def fieldsets() -> list[tuple[Any, dict[str, Any]]]:
    """The form from top to bottom."""
    return [
        (None, {"fields": ["name", "is_enabled"]}),
        (_("Of what"), {"fields": ["concerns"]}),
        (None, {"fields": ["job"], "classes": ["concerns-fields-job"]}),
        (None, {"fields": ["alert_rule"], "classes": ["concerns-fields-rule"]}),
        (None, {"fields": concerns.FIELDS, "classes": ["concerns-fields-selector"]}),
        (_("When"), {"fields": ["triggers", "severity_floor"]}),
        (_("To whom"), {"fields": ["channels"]}),
        (_("How often"), {"fields": POLICY.names, "classes": ["tab"]}),
        (_("Quiet hours"), {"fields": QUIET, "classes": ["tab"]}),
        (_("Digest"), {"fields": DIGEST, "classes": ["tab"]}),
        (_("Text"), {"fields": ["subject_template", "body_template"], "classes": ["tab"]}),
    ]


def quiet_given(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The quiet hours that were filled in, for a service to judge; None: none."""
    if not data.get("quiet_spans"):
        return None
    return {
        "spans": data["quiet_spans"],
        "timezone": data.get("quiet_timezone") or "UTC",
        "action": data.get("quiet_action") or "hold",
        "lets_through": data.get("quiet_lets_through") or None,
    }


def digest_given(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same of the digest."""
    if not data.get("digest_every"):
        return None
    return {
        "every": data["digest_every"],
        "starts": data.get("digest_starts") or "00:00",
        "timezone": data.get("digest_timezone") or "UTC",
        "lets_through": data.get("digest_lets_through") or None,
    }


def blame_model(form: forms.BaseForm, prefix: str, path: str, message: str) -> None:
    """ "spans[1].ends" of the quiet hours is said at the spans, with the row's number."""
    name, bracket, rest = path.partition("[")
    place = rest.partition("]")[0]
    words = _now("Quiet time %(number)s") % {"number": int(place) + 1 if place.isdecimal() else place}
    where = f"{prefix}_{name}"
    form.add_error(where if where in form.fields else None, f"{words}: {message}" if bracket else message)
