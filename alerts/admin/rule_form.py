"""The form of an alert rule: three sources, each with its own blocks, and what becomes of a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from alerts.admin import concerns
from alerts.admin.blocks import Block, json_of
from alerts.admin.rule_fields import CONDITION_BLOCKS, CONTRACT, OUTCOMES, POLICY, RECOVERY_BLOCKS, all_fields
from alerts.conditions import CONDITIONS
from alerts.models import AlertRule
from alerts.params import Params
from alerts.states import Source, Trigger
from alerts.subjects import Part
from jobs.models import Job
from portal.lib.durations import DurationError, parse_duration
from portal.lib.labelforms import LabelsField
from portal.lib.paramforms import DurationTextField, LinesField

if TYPE_CHECKING:
    AlertRuleModelForm = forms.ModelForm[AlertRule]
else:
    AlertRuleModelForm = forms.ModelForm

TABLE_KINDS = frozenset({"sql"})  # of jobs whose run gives a table
MOST_KEY_COLUMNS = 20


def _checks(choices: Any, **kwargs: Any) -> forms.MultipleChoiceField:
    widget = UnfoldAdminCheckboxSelectMultipleWidget()
    return forms.MultipleChoiceField(choices=choices, widget=widget, required=False, **kwargs)


class BaseAlertRuleForm(concerns.SelectorFields, AlertRuleModelForm):
    """The pydantic models of conditions, policy and contract judge; what they refuse is said at the field."""

    slug = forms.SlugField(
        label=gettext_lazy("Slug"),
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Its short name in files and selectors. Empty: made from the name."),
    )
    labels = LabelsField(label=gettext_lazy("Labels"))
    source = forms.ChoiceField(
        label=gettext_lazy("Looks at"),
        choices=Source.choices,
        widget=UnfoldAdminSelectWidget(attrs={"data-job-kind": ""}),
    )
    concerns = concerns.chooser(concerns.JOB, concerns.SELECTOR)
    condition = forms.ChoiceField(
        label=gettext_lazy("It is bad when this is so"),
        required=False,
        choices=lambda: [(one.kind, one.label) for one in CONDITIONS],
        widget=UnfoldAdminSelectWidget(attrs={"data-job-kind": "condition"}),
    )
    has_recovery = forms.BooleanField(
        label=gettext_lazy("A condition of its own says when it is good again"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(attrs={"data-job-kind": "recovery"}),
        help_text=gettext_lazy("Off: it is good again as soon as the condition above is not so."),
    )
    key_columns = LinesField(
        label=gettext_lazy("Key columns"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=gettext_lazy("One per line: what tells rows apart. Empty: the whole row."),
    )
    outcomes = _checks([(one.value, one.label) for one in OUTCOMES], label=gettext_lazy("It is bad when a run is"))
    subjects = _checks(Part.choices, label=gettext_lazy("Tell of"))
    result_grace = DurationTextField(
        label=gettext_lazy("After its time a result may take"),
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "5m"}),
        help_text=gettext_lazy("So long after the schedule's fire time; then the alert is stale."),
    )

    class Meta:
        model = AlertRule
        fields = [
            "name",
            "slug",
            "description",
            "source",
            "job",
            "is_row_level",
            "severity",
            "escalation",
            "is_enabled",
        ]
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "is_row_level": UnfoldBooleanSwitchWidget(attrs={"data-job-kind": "rows"}),
        }
        help_texts = {
            "is_row_level": gettext_lazy(
                "It is bad while the result has a row that nobody has acknowledged; new rows are told. "
                "Off: a condition judges the whole result."
            ),
            "is_enabled": gettext_lazy("While it is off nothing is looked at and nobody is told."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "source" not in self.fields:
            return  # somebody who may only look
        rule: AlertRule = self.instance
        concerns.fill(self, rule.selector)
        self.initial["condition"] = self.initial.get("condition") or rule.condition or "row_count"
        for name in ("labels", "key_columns", "outcomes", "subjects", "result_grace"):
            self.initial.setdefault(name, getattr(rule, name))
        self.initial.setdefault("concerns", concerns.JOB if rule.job_id or not rule.pk else concerns.SELECTOR)
        self.initial.setdefault("has_recovery", rule.recovery_params is not None)
        for block, values in self._stored():
            for name, value in block.initial(values).items():
                self.initial.setdefault(name, value)

    def _stored(self) -> list[tuple[Block[Any], Any]]:
        rule: AlertRule = self.instance
        found: list[tuple[Block[Any], Any]] = [(POLICY, rule.policy), (CONTRACT, rule.contract)]
        if rule.condition in CONDITION_BLOCKS:
            found.append((CONDITION_BLOCKS[rule.condition], rule.condition_params))
        if rule.condition in RECOVERY_BLOCKS:
            found.append((RECOVERY_BLOCKS[rule.condition], rule.recovery_params or rule.condition_params))
        return found

    # --- reading ------------------------------------------------------------------------------------------------------

    def clean_slug(self) -> str:
        made = self.cleaned_data["slug"] or self.instance.slug or slugify(self.cleaned_data.get("name", ""))
        if not made:
            raise ValidationError(_("Write a slug with letters, digits and “-”, such as unpaid-orders."))
        return str(made)[:80]

    def clean_result_grace(self) -> Any:
        try:
            return parse_duration(str(self.cleaned_data["result_grace"]))
        except DurationError as error:
            raise ValidationError(str(error)) from None

    def clean_key_columns(self) -> list[str]:
        found = list(dict.fromkeys(self.cleaned_data["key_columns"]))
        if len(found) > MOST_KEY_COLUMNS:
            raise ValidationError(_("At most %(count)d columns make a key.") % {"count": MOST_KEY_COLUMNS})
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        source = data.get("source", "")
        self._read_concerns(data, source)
        self._read_rows(data, is_asked=source == Source.RESULT)
        is_whole = source == Source.RESULT and not data.get("is_row_level")
        self._read_condition(data if is_whole else {})
        self._read_outcomes(data if source == Source.OUTCOME else {})
        self._put("subjects", self._chosen("subjects", source == Source.PORTAL))
        policy = POLICY.read(self)
        self.instance.policy = json_of(policy) if policy else {}
        return data

    def _put(self, name: str, value: Any) -> None:
        """What counts, whatever was posted: a field of the form and a column of the row."""
        self.cleaned_data[name] = value
        setattr(self.instance, name, value)

    def _read_concerns(self, data: dict[str, Any], source: str) -> None:
        """`job` is a field of the row; it is emptied where it does not count."""
        self.instance.selector = {}
        if source == Source.PORTAL or data.get("concerns") == concerns.SELECTOR:
            data["job"] = None
            self.errors.pop("job", None)
        if source == Source.PORTAL:
            for name in concerns.FIELDS:
                self.errors.pop(name, None)
        elif data.get("concerns") == concerns.SELECTOR:
            self.instance.selector = concerns.read(self, leave_out=["rules"])
        elif "job" not in self.errors:
            self._check_job(data.get("job"), source)

    def _check_job(self, job: Job | None, source: str) -> None:
        if job is None:
            self.add_error("job", _("Choose the job that is watched, or “All that fit” above."))
        elif source == Source.RESULT and job.kind not in TABLE_KINDS:
            words = _("“%(job)s” gives no table: choose a SQL job, or look at how its runs end.")
            self.add_error("job", words % {"job": job.name})

    def _read_rows(self, data: dict[str, Any], *, is_asked: bool) -> None:
        """Key columns tell rows apart; they mean nothing to a condition on the whole result."""
        if not is_asked:
            self._put("is_row_level", False)
        if not data.get("is_row_level"):
            self.errors.pop("key_columns", None)
            self._put("key_columns", [])

    def _read_condition(self, data: dict[str, Any]) -> None:
        """Of the chosen kind; everything of the others, and of other sources, is left out."""
        rule: AlertRule = self.instance
        kind = data.get("condition", "") if data else ""
        for each, block in [*CONDITION_BLOCKS.items(), *RECOVERY_BLOCKS.items()]:
            if each != kind or (block.prefix.startswith("recovery") and not data.get("has_recovery")):
                block.forget(self)
        rule.condition_params, rule.recovery_params = {}, None
        self._put("condition", kind)
        if not data:
            self.errors.pop("condition", None)
            return
        if not kind:
            self.add_error("condition", _("Choose when it is bad."))
            return
        found = CONDITION_BLOCKS[kind].read(self)
        rule.condition_params = json_of(found) if found else {}
        if data.get("has_recovery") and kind in RECOVERY_BLOCKS:
            self._read_recovery(RECOVERY_BLOCKS[kind], found)

    def _read_recovery(self, block: Block[Params], condition: Params | None) -> None:
        recovery = block.read(self)
        self.instance.recovery_params = json_of(recovery) if recovery else None
        if recovery is not None and recovery == condition:
            words = _("This is what is bad: write when it is good again, or switch it off.")
            self.add_error(block.names[-1] if "has_recovery" not in self.fields else "has_recovery", words)

    def _read_outcomes(self, data: dict[str, Any]) -> None:
        rule: AlertRule = self.instance
        rule.contract = {}
        self._put("outcomes", self._chosen("outcomes", bool(data)))
        if not data:
            CONTRACT.forget(self)
            return
        found = CONTRACT.read(self)
        rule.contract = json_of(found) if found else {}
        if rule.contract and Trigger.SUSPICIOUS not in rule.outcomes and rule.outcomes:
            self.add_error(
                "outcomes", _("Something is agreed on: choose “Suspicious success” too, or it counts nothing.")
            )

    def _chosen(self, name: str, is_asked: bool) -> list[str]:
        """The ticked boxes; at least one where they count."""
        if not is_asked:
            self.errors.pop(name, None)
            return []
        found = list(self.cleaned_data.get(name) or [])
        if not found and name not in self.errors:
            self.add_error(name, _("Choose at least one."))
        return found


AlertRuleForm: type[BaseAlertRuleForm] = type(
    "AlertRuleForm", (BaseAlertRuleForm,), {**all_fields(), "__module__": __name__}
)
