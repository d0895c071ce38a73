"""The form of an alert rule: three sources, each with its own blocks, and what becomes of a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

from alerts import lengths, rulechecks
from alerts.admin import concerns
from alerts.admin.blocks import Block
from alerts.admin.rule_fields import CONDITION_BLOCKS, CONTRACT, POLICY, RECOVERY_BLOCKS, all_fields
from alerts.conditions import CONDITIONS
from alerts.models import AlertRule
from alerts.states import Source
from alerts.subjects import Part
from portal.lib.durations import parse_duration
from portal.lib.fielderrors import FieldError
from portal.lib.labelforms import LabelsField
from portal.lib.paramforms import DurationTextField, LinesField

if TYPE_CHECKING:
    AlertRuleModelForm = forms.ModelForm[AlertRule]
else:
    AlertRuleModelForm = forms.ModelForm


_PLACES = {"recovery_params": "has_recovery"}  # columns that are asked for under another name


def _checks(choices: Any, **kwargs: Any) -> forms.MultipleChoiceField:
    widget = UnfoldAdminCheckboxSelectMultipleWidget()
    return forms.MultipleChoiceField(choices=choices, widget=widget, required=False, **kwargs)


class BaseAlertRuleForm(concerns.SelectorFields, AlertRuleModelForm):
    """`alerts.rulechecks` judges; what it refuses is said at the field of its column."""

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
    outcomes = _checks(
        [(one.value, one.label) for one in rulechecks.OUTCOMES], label=gettext_lazy("It is bad when a run is")
    )
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
            return lengths.ANY.check(parse_duration(str(self.cleaned_data["result_grace"])))
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        rule: AlertRule = self.instance
        rule.source = data.get("source", "")
        self._take_concerns(data)
        self._take_judgement(data)
        rule.outcomes, rule.subjects = list(data.get("outcomes") or []), list(data.get("subjects") or [])
        rule.contract = CONTRACT.given(self)
        self._say(rulechecks.clean, rule)
        for name in ("job", "outcomes", "subjects"):
            data[name] = getattr(rule, name)
        return data

    def _take_concerns(self, data: dict[str, Any]) -> None:
        """One job, or all that fit; the part of the portal is chosen elsewhere."""
        rule: AlertRule = self.instance
        is_selector = data.get("concerns") == concerns.SELECTOR
        if is_selector or rule.source == Source.PORTAL:
            data["job"] = None
            self.errors.pop("job", None)
        rule.job = data.get("job")
        rule.selector = concerns.given(self, leave_out=["rules"]) if is_selector else {}
        if not is_selector or rule.source == Source.PORTAL:
            for name in concerns.FIELDS:
                self.errors.pop(name, None)
        if rule.job is None and not is_selector and rule.source != Source.PORTAL and "job" not in self.errors:
            self.add_error("job", _("Choose the job that is watched, or “All that fit” above."))

    def _take_judgement(self, data: dict[str, Any]) -> None:
        """Of the chosen condition; what stands in the blocks of the others is of no interest."""
        rule: AlertRule = self.instance
        rule.is_row_level, rule.key_columns = bool(data.get("is_row_level")), data.get("key_columns") or []
        rule.condition = kind = data.get("condition", "")
        rule.condition_params = CONDITION_BLOCKS[kind].given(self) if kind in CONDITION_BLOCKS else {}
        has_recovery = bool(data.get("has_recovery")) and kind in RECOVERY_BLOCKS
        rule.recovery_params = RECOVERY_BLOCKS[kind].given(self) if has_recovery else None
        rule.policy = POLICY.given(self)

    def _say(self, judge: Callable[[AlertRule], list[FieldError]], rule: AlertRule) -> None:
        """What the service says, at the fields. Where a field could not even be read, its column is not judged."""
        blocks = self._blocks()
        self._forget_others(blocks)
        unread = {name for name, block in blocks.items() if any(field in self.errors for field in block.names)}
        unread |= set(self.errors)
        for error in judge(rule):
            column = error.path.partition(".")[0].partition("[")[0]
            if column in unread:
                continue
            if column in blocks and error.path != column:
                blocks[column].blame(self, [_inside(column, error)])
            else:
                self._blame(_PLACES.get(column, column) if column != "selector" else concerns.place_of(error), error)
        for name in ("is_row_level", "key_columns", "condition"):
            self.cleaned_data[name] = getattr(rule, name)

    def _blame(self, place: str, error: FieldError) -> None:
        if place not in self.errors:
            self.add_error(place if place in self.fields else None, error.message)

    def _blocks(self) -> dict[str, Block[Any]]:
        """The blocks that count, by their column."""
        rule: AlertRule = self.instance
        counts = rulechecks.asked(rule)
        found: dict[str, Block[Any]] = {"policy": POLICY}
        if "contract" in counts:
            found["contract"] = CONTRACT
        if "condition_params" in counts and rule.condition in CONDITION_BLOCKS:
            found["condition_params"] = CONDITION_BLOCKS[rule.condition]
        if "recovery_params" in counts:
            found["recovery_params"] = RECOVERY_BLOCKS[rule.condition]
        return found

    def _forget_others(self, blocks: Mapping[str, Block[Any]]) -> None:
        """What stands in fields that do not count is of no interest."""
        for name in rulechecks.EMPTY.keys() - rulechecks.asked(self.instance) - {"job", "selector"}:
            self.errors.pop(name, None)
        others: list[Block[Any]] = [*CONDITION_BLOCKS.values(), *RECOVERY_BLOCKS.values(), CONTRACT]
        for block in others:
            if block not in blocks.values():
                block.forget(self)


def _inside(column: str, error: FieldError) -> FieldError:
    """As the column's own model sees it."""
    return FieldError(path=error.path.removeprefix(column).lstrip("."), message=error.message)


AlertRuleForm: type[BaseAlertRuleForm] = type(
    "AlertRuleForm", (BaseAlertRuleForm,), {**all_fields(), "__module__": __name__}
)
