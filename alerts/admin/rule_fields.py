"""The blocks of an alert rule's form: a condition of each kind, its recovery, the policy, what is agreed on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from alerts.admin.blocks import Block
from alerts.conditions import CONDITIONS
from alerts.contracts import ContractParams
from alerts.params import Params
from alerts.policies import Policy
from alerts.states import Source

# A recovery condition has to be met for the alert to be over, so its words are turned round.
_TURNED = {
    "operator": _("Is good again when"),
    "direction": _("Is good again when it"),
    "bad_when": _("Is good again when"),
}


def _turned(name: str, field: forms.Field) -> None:
    field.label = _TURNED.get(name, field.label)


CONDITION_BLOCKS: dict[str, Block[Params]] = {
    one.kind: Block(f"condition_{one.kind}", one.Params) for one in CONDITIONS
}
RECOVERY_BLOCKS: dict[str, Block[Params]] = {
    one.kind: Block(f"recovery_{one.kind}", one.Params, change=_turned) for one in CONDITIONS if one.Params.model_fields
}
POLICY = Block("policy", Policy)
CONTRACT = Block("contract", ContractParams)

_FIRES = ["policy_needed_count", "policy_window_count", "policy_hold_for", "policy_repeat_every"]
_OVER = ["policy_good_count"]
_STALE = ["policy_stale_after", "result_grace"]
_FLAPS = ["policy_flap_changes", "policy_flap_period"]
RESULT, OUTCOME, PORTAL = (f"kind-fields-{source.value}" for source in Source)
WHOLE = "rows-fields-off"  # not when each row is looked at by itself


def all_fields() -> dict[str, forms.Field]:
    """The form fields of every block."""
    found: dict[str, forms.Field] = {}
    blocks: list[Block[Any]] = [*CONDITION_BLOCKS.values(), *RECOVERY_BLOCKS.values(), POLICY, CONTRACT]
    for block in blocks:
        found |= block.fields()
    return found


def fieldsets() -> list[tuple[Any, dict[str, Any]]]:
    """The form from top to bottom; jobform.js shows the blocks of what is chosen."""
    jobs = f"{RESULT} {OUTCOME}"
    return [
        (None, {"fields": ["name", "slug", "description", "severity", "labels", "escalation", "is_enabled"]}),
        (_("What is watched"), {"fields": ["source"]}),
        (None, {"fields": ["concerns"], "classes": [jobs]}),
        (None, {"fields": ["job"], "classes": [jobs, "concerns-fields-job"]}),
        (
            None,
            {
                "fields": ["selector_jobs", "selector_categories", "selector_labels"],
                "classes": [jobs, "concerns-fields-selector"],
            },
        ),
        (_("Rows"), {"fields": ["is_row_level"], "classes": [RESULT]}),
        (None, {"fields": ["key_columns"], "classes": [RESULT, "rows-fields-on"]}),
        (_("Condition"), {"fields": ["condition"], "classes": [RESULT, WHOLE]}),
        *_kinds(CONDITION_BLOCKS),
        (_("Recovery"), {"fields": ["has_recovery"], "classes": [RESULT, WHOLE, _those_with_recovery()]}),
        *_kinds(RECOVERY_BLOCKS, "recovery-fields-on"),
        (_("Outcomes"), {"fields": ["outcomes"], "classes": [OUTCOME]}),
        (_("Agreed on, for suspicious successes"), {"fields": CONTRACT.names, "classes": [OUTCOME]}),
        (_("Parts of the portal"), {"fields": ["subjects"], "classes": [PORTAL]}),
        (_("When it fires"), {"fields": _FIRES, "classes": ["tab"]}),
        (_("When it is over"), {"fields": _OVER, "classes": ["tab"]}),
        (_("When no result comes"), {"fields": _STALE, "classes": ["tab"]}),
        (_("Flapping"), {"fields": _FLAPS, "classes": ["tab"]}),
    ]


def _kinds(blocks: dict[str, Block[Params]], *more: str) -> list[tuple[Any, dict[str, Any]]]:
    return [
        (None, {"fields": block.names, "classes": [RESULT, WHOLE, f"condition-fields-{kind}", *more]})
        for kind, block in blocks.items()
        if block.names
    ]


def _those_with_recovery() -> str:
    return " ".join(f"condition-fields-{kind}" for kind in RECOVERY_BLOCKS)
