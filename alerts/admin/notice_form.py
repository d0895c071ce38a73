"""The form of a notification rule: what is told, when, how often, in what words, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from alerts import noticechecks
from alerts.admin import concerns
from alerts.admin.notice_fields import POLICY, NoticeFields, blame_model, digest_given, quiet_given
from alerts.models import NotificationRule
from portal.lib.fielderrors import FieldError

if TYPE_CHECKING:
    NotificationRuleModelForm = forms.ModelForm[NotificationRule]
else:
    NotificationRuleModelForm = forms.ModelForm

PREFIXES = {"quiet_hours": "quiet", "digest": "digest"}  # of the fields that stand for a column
SUBJECT_HELP = gettext_lazy("Empty: the trigger's own words. Variables such as {{ task_name }} are filled in.")


class BaseNotificationRuleForm(concerns.SelectorFields, NoticeFields, NotificationRuleModelForm):
    """`alerts.noticechecks` judges; what it refuses is said at the field of its column."""

    concerns = concerns.chooser(concerns.JOB, concerns.RULE, concerns.SELECTOR)

    class Meta:
        model = NotificationRule
        fields = [
            "name", "job", "alert_rule", "severity_floor", "subject_template", "body_template", "channels",
            "is_enabled",
        ]  # fmt: skip
        widgets = {
            "channels": UnfoldAdminCheckboxSelectMultipleWidget(),
            "subject_template": UnfoldAdminTextInputWidget(attrs={"data-template": "subject", "spellcheck": "false"}),
            "body_template": UnfoldAdminTextareaWidget(
                attrs={"rows": 10, "data-template": "body", "spellcheck": "false"}
            ),
        }
        help_texts = {
            "subject_template": SUBJECT_HELP,
            "severity_floor": gettext_lazy("Of alerts and incidents. Empty: of any severity."),
            "channels": gettext_lazy("Without one nobody is told."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "concerns" not in self.fields:
            return  # somebody who may only look
        rule: NotificationRule = self.instance
        concerns.fill(self, rule.selector)
        self.initial.setdefault("concerns", _concern_of(rule, self.initial))
        self.initial.setdefault("triggers", rule.triggers)
        for name, value in POLICY.initial(rule.policy).items():
            self.initial.setdefault(name, value)
        for name, value in {**_shown("quiet", rule.quiet_hours), **_shown("digest", rule.digest)}.items():
            self.initial.setdefault(name, value)

    # --- reading ------------------------------------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        rule: NotificationRule = self.instance
        self._read_concerns(data)
        rule.triggers = list(data.get("triggers") or [])
        rule.policy = POLICY.given(self)
        self._take_times(data)
        rule.subject_template = str(data.get("subject_template") or "")
        rule.body_template = str(data.get("body_template") or "")
        rule.is_enabled = bool(data.get("is_enabled"))
        self._say(noticechecks.clean(rule, list(data.get("channels") or [])))
        for name in ("subject_template", "body_template"):
            data[name] = getattr(rule, name)
        return data

    def _read_concerns(self, data: dict[str, Any]) -> None:
        """One of the three; what stands in the others does not count."""
        chosen = data.get("concerns")
        self.instance.selector = {}
        for kind, name in ((concerns.JOB, "job"), (concerns.RULE, "alert_rule")):
            if chosen != kind:
                data[name] = None
                self.errors.pop(name, None)
            setattr(self.instance, name, data.get(name))
        if chosen == concerns.SELECTOR:
            self.instance.selector = concerns.given(self)
            return
        for name in concerns.FIELDS:
            self.errors.pop(name, None)
        if chosen == concerns.JOB and "job" not in self.errors and data.get("job") is None:
            self.add_error("job", _("Choose the job, or “All that fit” above."))
        if chosen == concerns.RULE and "alert_rule" not in self.errors and data.get("alert_rule") is None:
            self.add_error("alert_rule", _("Choose the alert rule, or “All that fit” above."))

    def _take_times(self, data: dict[str, Any]) -> None:
        rule: NotificationRule = self.instance
        rule.quiet_hours, rule.digest = quiet_given(data), digest_given(data)
        if rule.quiet_hours is None:
            self.errors.pop("quiet_timezone", None)
        if rule.digest is None:
            self.errors.pop("digest_starts", None)

    def _say(self, errors: list[FieldError]) -> None:
        """What the service says, at the fields; not of columns that could not even be read."""
        unread = set(self.errors)
        if not unread & set(POLICY.names):
            POLICY.blame(self, [_without("policy", error) for error in errors if error.path.startswith("policy.")])
        for error in errors:
            column, _dot, rest = error.path.partition(".")
            if column in PREFIXES:
                blame_model(self, PREFIXES[column], rest, error.message)
            elif column == "selector":
                self.add_error(concerns.place_of(error), error.message)
            elif column != "policy" and column not in unread:
                self.add_error(column if column in self.fields else None, error.message)


def _without(column: str, error: FieldError) -> FieldError:
    return FieldError(path=error.path.removeprefix(f"{column}."), message=error.message)


def _concern_of(rule: NotificationRule, initial: Mapping[str, Any]) -> str:
    """A rule that is made on a job's or an alert's page begins with it."""
    if rule.job_id or initial.get("job"):
        return concerns.JOB
    if rule.alert_rule_id or initial.get("alert_rule"):
        return concerns.RULE
    return concerns.SELECTOR if rule.pk else concerns.JOB


def _shown(prefix: str, stored: Mapping[str, Any] | None) -> dict[str, Any]:
    return {f"{prefix}_{name}": "" if value is None else value for name, value in (stored or {}).items()}


NotificationRuleForm: type[BaseNotificationRuleForm] = type(
    "NotificationRuleForm", (BaseNotificationRuleForm,), {**POLICY.fields(), "__module__": __name__}
)
