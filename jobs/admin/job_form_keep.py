"""The part of the job's form that says how long its history is kept."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminIntegerFieldWidget

KEEP = ["run_days", "log_days", "keep_runs"]


class KeepFields(forms.Form):
    """What `jobs.definitions` checks is not checked twice here."""

    run_days = forms.IntegerField(
        label=gettext_lazy("Days its runs are kept"),
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("Counted from a run's end. Empty: as the tenant or the portal keeps them."),
    )
    log_days = forms.IntegerField(
        label=gettext_lazy("Days its logs are kept"),
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("A log goes with its run at the latest."),
    )
    keep_runs = forms.IntegerField(
        label=gettext_lazy("Newest runs that are always kept"),
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("They and their logs stay however old they are. At least the newest one does."),
    )


def keep_of(data: dict[str, Any]) -> dict[str, Any]:
    """The cleaned fields as `JobDefinition` takes them."""
    runs = data["keep_runs"]
    return {"keep": {"run_days": data["run_days"], "log_days": data["log_days"], "runs": 1 if runs is None else runs}}
