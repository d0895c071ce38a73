"""Escalation policies, their steps below them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from accounts.admin_base import TenantStackedInline
from alerts import escalationsettings, lengths
from alerts.admin.base import ConfiguredAdmin, WithItsParent
from alerts.admin.durations import DurationField
from alerts.models import EscalationPolicy, EscalationStep
from portal.lib.durations import format_duration

if TYPE_CHECKING:
    PolicyModelForm = forms.ModelForm[EscalationPolicy]
    StepModelForm = forms.ModelForm[EscalationStep]
    StepBaseFormSet = forms.BaseInlineFormSet[Model, Model, StepModelForm]
else:
    PolicyModelForm = StepModelForm = forms.ModelForm
    StepBaseFormSet = forms.BaseInlineFormSet


class EscalationStepForm(StepModelForm):
    wait = DurationField(
        label=gettext_lazy("After"),
        initial=timedelta(minutes=15),
        limits=lengths.STEP,
        help_text=gettext_lazy("Since the step before it; the first one since the incident opened. 0s: at once."),
    )

    class Meta:
        model = EscalationStep
        fields = ["number", "wait", "channels", "rota"]
        widgets = {"channels": UnfoldAdminCheckboxSelectMultipleWidget()}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not data.get("DELETE"):
            for error in escalationsettings.step_refusals(list(data.get("channels") or []), data.get("rota")):
                self.add_error(error.path, error.message)
        return data


class StepFormSet(StepBaseFormSet):
    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        kept = [form for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        for error in escalationsettings.count_refusals(len(kept)):
            raise ValidationError(error.message)


class EscalationStepInline(WithItsParent, TenantStackedInline):
    model = EscalationStep
    form = EscalationStepForm
    formset = StepFormSet
    fields = [("number", "wait"), "channels", "rota"]
    tab = False
    ordering = ["number"]

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj is not None else 1


class EscalationPolicyForm(PolicyModelForm):
    slug = forms.SlugField(
        label=gettext_lazy("Slug"),
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Its short name in files. Empty: made from the name."),
    )
    ack_timeout = DurationField(
        label=gettext_lazy("An acknowledgement holds for"),
        required=False,
        limits=lengths.ACKNOWLEDGED,
        help_text=gettext_lazy("Afterwards, if it is not resolved, the steps begin anew. Empty: for good."),
    )

    class Meta:
        model = EscalationPolicy
        fields = ["name", "slug", "repeat_count", "ack_timeout"]
        help_texts = {"repeat_count": gettext_lazy("So often after the first time, until somebody acknowledges.")}

    def clean_slug(self) -> str:
        made = self.cleaned_data["slug"] or self.instance.slug or slugify(self.cleaned_data.get("name", ""))
        if not made:
            raise ValidationError(_("Write a slug with letters, digits and “-”, such as night-shift."))
        return str(made)[:80]

    def clean_repeat_count(self) -> int:
        found = int(self.cleaned_data["repeat_count"])
        for error in escalationsettings.refusals(EscalationPolicy(repeat_count=found)):
            raise ValidationError(error.message)
        return found


@admin.register(EscalationPolicy)
class EscalationPolicyAdmin(ConfiguredAdmin):
    form = EscalationPolicyForm
    inlines = [EscalationStepInline]
    list_display = ["name", "slug", "steps_in_words", "again"]
    search_fields = ["name", "slug"]
    ordering = ["name", "id"]
    fieldsets = [(None, {"fields": ["name", "slug", "repeat_count", "ack_timeout"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related("steps")

    @display(description=gettext_lazy("Steps"))  # type: ignore[untyped-decorator]
    def steps_in_words(self, obj: EscalationPolicy) -> str:
        """0s → 15m → 1h."""
        return " → ".join(format_duration(step.wait) for step in obj.steps.all()) or "–"

    @display(description=gettext_lazy("Again"))  # type: ignore[untyped-decorator]
    def again(self, obj: EscalationPolicy) -> str:
        words = ngettext("%(n)d more time", "%(n)d more times", obj.repeat_count)
        return words % {"n": obj.repeat_count} if obj.repeat_count else _("never")
