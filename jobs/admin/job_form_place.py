"""The part of the job's form that says where its runs go, in how many parts, and what they need there."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from jobs.models import Job
from jobs.policies import FanOut
from portal.lib.paramtypes import format_memory

PLACE = ["queue", "priority", "fan_out", "shard_total", "requires", "needs_memory", "needs_cpu"]


def _text(**attrs: str) -> forms.Widget:
    widget: forms.Widget = UnfoldAdminTextInputWidget(attrs=attrs)
    return widget


class PlaceFields(forms.Form):
    """What `jobs.definitions` checks is not checked twice here."""

    queue = forms.CharField(label=gettext_lazy("Queue"), max_length=50, widget=_text())
    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("-100 to 100; the higher one runs first."),
    )
    fan_out = forms.ChoiceField(
        label=gettext_lazy("Split a run into"),
        required=False,
        choices=FanOut.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy(
            "Each part finds its number in SHARD_INDEX (from 0) and how many there are in SHARD_TOTAL."
        ),
    )
    shard_total = forms.IntegerField(
        label=gettext_lazy("Number of shards"),
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("Only for shards."),
    )
    requires = forms.CharField(
        label=gettext_lazy("What its worker must have"),
        required=False,
        max_length=1300,
        widget=_text(placeholder="gpu, isolation:cgroup"),
        help_text=gettext_lazy("Words with commas between them; a worker's page shows what it has."),
    )
    needs_memory = forms.CharField(
        label=gettext_lazy("Memory it needs"),
        required=False,
        max_length=20,
        widget=_text(placeholder="512MB"),
        help_text=gettext_lazy("Such as 512MB or 2GB. A worker takes only what fits beside the needs of what it runs."),
    )
    needs_cpu = forms.FloatField(
        label=gettext_lazy("Cores it needs"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "placeholder": "0.5"}),
    )


def place_of(data: dict[str, Any]) -> dict[str, Any]:
    """The cleaned fields as `JobDefinition` takes them (queue and priority have its names already)."""
    return {
        "requires": [word for word in re.split(r"[\s,]+", data["requires"]) if word],
        "needs": {"memory": data["needs_memory"] or 0, "cpu": data["needs_cpu"] or 0},
        "fan_out": {"mode": data["fan_out"], "total": data["shard_total"]},
    }


def shown_place(job: Job) -> dict[str, Any]:
    """The columns that people write differently from how they are kept."""
    return {
        "requires": ", ".join(job.requires or []),
        "needs_memory": format_memory(job.needs_memory) if job.needs_memory else "",
        "needs_cpu": job.needs_cpu or None,
    }
