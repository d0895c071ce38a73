"""The form of a notification rule: what is told, when, how often, in what words, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel
from pydantic import ValidationError as ModelError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from alerts import templating
from alerts.admin import concerns
from alerts.admin.blocks import json_of
from alerts.admin.notice_fields import POLICY, NoticeFields
from alerts.models import NotificationRule
from alerts.quiethours import Digest, QuietHours
from alerts.states import OF_A_JOB, RUN_TRIGGERS, Trigger
from portal.lib.fielderrors import FieldError, field_errors

if TYPE_CHECKING:
    NotificationRuleModelForm = forms.ModelForm[NotificationRule]
else:
    NotificationRuleModelForm = forms.ModelForm

SUBJECT_HELP = gettext_lazy("Empty: the trigger's own words. Variables such as {{ task_name }} are filled in.")


class BaseNotificationRuleForm(concerns.SelectorFields, NoticeFields, NotificationRuleModelForm):
    """The pydantic models of `alerts` judge; what they refuse is said at the field."""

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

    def clean_subject_template(self) -> str:
        return self._template("subject_template", one_line=True)

    def clean_body_template(self) -> str:
        return self._template("body_template").replace("\r\n", "\n")

    def _template(self, name: str, *, one_line: bool = False) -> str:
        text = str(self.cleaned_data[name] or "")
        try:
            templating.parse(text)
        except templating.TemplateError as error:
            raise ValidationError(error.sentence) from None
        if one_line and len(text.splitlines()) > 1:
            raise ValidationError(_("A subject is one line: remove the line break."))
        return text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        rule: NotificationRule = self.instance
        self._read_concerns(data)
        triggers = self._read_triggers(data)
        # What is told of runs is judged with these triggers; a rule of alerts alone has none.
        of_runs = frozenset(Trigger(one) for one in triggers if Trigger(one) in OF_A_JOB)
        policy = POLICY.read(self, triggers=of_runs or frozenset({Trigger.RECOVERED}))
        rule.policy = {name: value for name, value in json_of(policy).items() if name != "triggers"} if policy else {}
        rule.quiet_hours = self._quiet(data)
        rule.digest = self._digest(data)
        if data.get("is_enabled") and "channels" not in self.errors and not data.get("channels"):
            self.add_error("channels", _("Choose a channel, or switch the rule off: nobody would be told."))
        return data

    def _read_concerns(self, data: dict[str, Any]) -> None:
        """One of the three; what stands in the others does not count."""
        chosen = data.get("concerns")
        self.instance.selector = {}
        for kind, name in ((concerns.JOB, "job"), (concerns.RULE, "alert_rule")):
            if chosen != kind:
                data[name] = None
                self.errors.pop(name, None)
        if chosen == concerns.SELECTOR:
            self.instance.selector = concerns.read(self)
            return
        for name in concerns.FIELDS:
            self.errors.pop(name, None)
        if chosen == concerns.JOB and "job" not in self.errors and data.get("job") is None:
            self.add_error("job", _("Choose the job, or “All that fit” above."))
        if chosen == concerns.RULE and "alert_rule" not in self.errors and data.get("alert_rule") is None:
            self.add_error("alert_rule", _("Choose the alert rule, or “All that fit” above."))

    def _read_triggers(self, data: dict[str, Any]) -> list[str]:
        found = list(data.get("triggers") or [])
        if not found and "triggers" not in self.errors:
            self.add_error("triggers", _("Choose at least one: otherwise nothing is told."))
        elif found and data.get("concerns") == concerns.RULE and set(found) <= RUN_TRIGGERS:
            self.add_error("triggers", _("An alert has no runs: choose what alerts or incidents do."))
        return found

    def _quiet(self, data: dict[str, Any]) -> dict[str, Any] | None:
        spans = data.get("quiet_spans")
        if not spans:
            self.errors.pop("quiet_timezone", None)
            return None
        given = {
            "spans": spans,
            "timezone": data.get("quiet_timezone") or "UTC",
            "action": data.get("quiet_action") or "hold",
            "lets_through": data.get("quiet_lets_through") or None,
        }
        return self._model("quiet", QuietHours, given)

    def _digest(self, data: dict[str, Any]) -> dict[str, Any] | None:
        if not data.get("digest_every"):
            self.errors.pop("digest_starts", None)
            return None
        given = {
            "every": data["digest_every"],
            "starts": data.get("digest_starts") or "00:00",
            "timezone": data.get("digest_timezone") or "UTC",
            "lets_through": data.get("digest_lets_through") or None,
        }
        return self._model("digest", Digest, given)

    def _model(self, prefix: str, model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return model.model_validate(given).model_dump(mode="json")
        except ModelError as error:
            for found in field_errors(error):
                self._blame(prefix, found)
            return None

    def _blame(self, prefix: str, error: FieldError) -> None:
        """ "spans[1].ends" is said at the spans, with the row's number."""
        name, bracket, rest = error.path.partition("[")
        place = rest.partition("]")[0]
        words = _("Quiet time %(number)s") % {"number": int(place) + 1 if place.isdecimal() else place}
        message = f"{words}: {error.message}" if bracket else error.message
        where = f"{prefix}_{name}"
        self.add_error(where if where in self.fields else None, message)


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
