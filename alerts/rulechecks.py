"""What speaks against an alert rule, by column. Forms and definitions files ask here; nobody else judges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.utils.translation import gettext as _

from alerts.columns import kept, unknown
from alerts.conditions import CONDITIONS
from alerts.contracts import ContractParams
from alerts.models import AlertRule
from alerts.policies import Policy
from alerts.routing import Selector
from alerts.states import RUN_ENDS, RUN_REMARKS, Source, Trigger
from alerts.subjects import Part
from jobs.models.job import Category
from portal.lib.fielderrors import FieldError
from portal.lib.plugins import UnknownKindError

TABLE_KINDS = frozenset({"sql"})  # of jobs whose run gives a table
MOST_KEY_COLUMNS = 20
OUTCOMES = [one for one in Trigger if one in (RUN_ENDS | RUN_REMARKS) - {Trigger.SUCCESS}]
EMPTY: dict[str, Any] = {
    "job": None, "selector": {}, "is_row_level": False, "key_columns": [], "condition": "", "condition_params": {},
    "recovery_params": None, "outcomes": [], "contract": {}, "subjects": [],
}  # fmt: skip


def asked(rule: AlertRule) -> frozenset[str]:
    """The columns that count; it depends on what the rule looks at."""
    if rule.source == Source.PORTAL:
        return frozenset({"subjects", "policy"})
    watched = "selector" if rule.job is None else "job"
    if rule.source == Source.OUTCOME:
        return frozenset({watched, "outcomes", "contract", "policy"})
    if rule.is_row_level:
        return frozenset({watched, "is_row_level", "key_columns", "policy"})
    recovery = {"recovery_params"} if rule.recovery_params is not None else set()
    return frozenset({watched, "condition", "condition_params", "policy"} | recovery)


def clean(rule: AlertRule) -> list[FieldError]:
    """Bring the columns into the form in which they are kept, and say what can't be: [] is a rule that can be saved.

    What does not count is emptied. Saves nothing.
    """
    errors = [*clean_judgement(rule), *_watched(rule)]
    if rule.source == Source.OUTCOME:
        errors += _outcomes(rule)
    if rule.source == Source.PORTAL:
        rule.subjects = list(dict.fromkeys(rule.subjects))
        errors += _chosen(rule.subjects, Part.values, "subjects")
    return errors


def clean_judgement(rule: AlertRule) -> list[FieldError]:
    """How it judges, whatever it watches: for a rule whose job is not made yet."""
    counts = asked(rule)
    for name, empty in EMPTY.items():
        if name not in counts:
            setattr(rule, name, empty.copy() if isinstance(empty, dict | list) else empty)
    rule.policy, errors = kept(Policy, rule.policy, "policy")
    if "condition" in counts:
        errors += _condition(rule)
    if "key_columns" in counts:
        errors += _keys(rule)
    return errors


def selector_problems(selector: Selector) -> list[FieldError]:
    """What a selector names that the portal does not have; slugs may come and go."""
    return unknown(selector.categories, Category.values, "selector.categories")


def clean_selector(given: dict[str, Any]) -> tuple[dict[str, Any], list[FieldError]]:
    """As a column keeps it, with what speaks against it."""
    found, errors = kept(Selector, given, "selector")
    return (found, errors) if errors else (found, selector_problems(Selector.model_validate(found)))


def _watched(rule: AlertRule) -> list[FieldError]:
    job = rule.job
    if job is None:
        rule.selector, errors = clean_selector(rule.selector)
        if rule.selector.get("rules"):
            words = _("An alert rule watches jobs, not alert rules: leave them out.")
            errors.append(FieldError(path="selector.rules", message=words))
        return errors
    if rule.source == Source.RESULT and job.kind not in TABLE_KINDS:
        words = _("“%(job)s” gives no table: choose a SQL job, or look at how its runs end.")
        return [FieldError(path="job", message=words % {"job": job.name})]
    return []


def _keys(rule: AlertRule) -> list[FieldError]:
    """Key columns tell rows apart; they mean nothing to a condition on the whole result."""
    rule.key_columns = list(dict.fromkeys(rule.key_columns))
    if len(rule.key_columns) > MOST_KEY_COLUMNS:
        words = _("At most %(count)d columns make a key.") % {"count": MOST_KEY_COLUMNS}
        return [FieldError(path="key_columns", message=words)]
    if not all(name.strip() for name in rule.key_columns):
        return [FieldError(path="key_columns", message=_("This must not be empty."))]
    return []


def _condition(rule: AlertRule) -> list[FieldError]:
    try:
        params = CONDITIONS.get(rule.condition).Params
    except UnknownKindError:
        return _no_condition(rule)
    rule.condition_params, errors = kept(params, rule.condition_params, "condition_params")
    if rule.recovery_params is None:
        return errors
    if not params.model_fields:
        words = _("This condition has no settings, so none of its own says when it is good again: leave it out.")
        return [*errors, FieldError(path="recovery_params", message=words)]
    recovery, refused = kept(params, rule.recovery_params, "recovery_params")
    rule.recovery_params = None if refused else recovery
    if not errors and not refused and recovery == rule.condition_params:
        words = _("This is what is bad: write when it is good again, or switch it off.")
        refused = [FieldError(path="recovery_params", message=words)]
    return [*errors, *refused]


def _no_condition(rule: AlertRule) -> list[FieldError]:
    """Of an unknown kind nothing can be said about its settings."""
    kind, rule.condition_params, rule.recovery_params = rule.condition, {}, None
    if not kind:
        return [FieldError(path="condition", message=_("Choose when it is bad."))]
    words = _("There is no condition “%(kind)s” here: choose one of: %(choices)s.")
    return [FieldError(path="condition", message=words % {"kind": kind[:40], "choices": ", ".join(CONDITIONS.kinds())})]


def _outcomes(rule: AlertRule) -> list[FieldError]:
    rule.contract, errors = kept(ContractParams, rule.contract, "contract")
    rule.outcomes = list(dict.fromkeys(rule.outcomes))
    errors += _chosen(rule.outcomes, [one.value for one in OUTCOMES], "outcomes")
    if rule.contract and rule.outcomes and Trigger.SUSPICIOUS not in rule.outcomes:
        words = _("Something is agreed on: choose “Suspicious success” too, or it counts nothing.")
        errors.append(FieldError(path="outcomes", message=words))
    return errors


def _chosen(names: Sequence[str], known: Collection[str], column: str) -> list[FieldError]:
    return unknown(names, known, column) if names else [FieldError(path=column, message=_("Choose at least one."))]
