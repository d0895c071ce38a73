"""What speaks against a notification rule, by column. Forms and definitions files ask here; nobody else judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from alerts import templating
from alerts.columns import kept, unknown
from alerts.models import Channel, NotificationRule
from alerts.noticefold import NoticePolicy
from alerts.quiethours import Digest, QuietHours
from alerts.rulechecks import clean_selector
from alerts.states import OF_A_JOB, RUN_TRIGGERS, Trigger
from portal.lib.fielderrors import FieldError, field_errors

Settings = Mapping[str, Any] | None


def clean(rule: NotificationRule, channels: Sequence[Channel]) -> list[FieldError]:
    """Bring the columns into the form in which they are kept, and say what can't be: [] is a rule that can be saved.

    `channels` are those it shall tell. Saves nothing.
    """
    rule.quiet_hours, quiet = clean_quiet_hours(rule.quiet_hours)
    rule.digest, digest = _clean_model(Digest, rule.digest, "digest")
    return [*_concern(rule), *_told(rule), *quiet, *digest, *_words(rule), *_whom(rule, channels)]


def clean_quiet_hours(given: Settings) -> tuple[dict[str, Any] | None, list[FieldError]]:
    """As the column keeps them, with what speaks against them."""
    return _clean_model(QuietHours, given, "quiet_hours")


def _clean_model(
    model: type[BaseModel], given: Settings, column: str
) -> tuple[dict[str, Any] | None, list[FieldError]]:
    if given is None:
        return None, []
    try:
        return model.model_validate(dict(given)).model_dump(mode="json"), []
    except ValidationError as error:
        return None, [found.under(column) for found in field_errors(error)]


def _concern(rule: NotificationRule) -> list[FieldError]:
    """One job, one alert rule, or all that fit."""
    if rule.job is None and rule.alert_rule is None:
        rule.selector, errors = clean_selector(rule.selector)
        return errors
    rule.selector = {}
    if rule.job is not None and rule.alert_rule is not None:
        words = _("A rule tells of one job or of one alert, not of both: leave one of them out.")
        return [FieldError(path="alert_rule", message=words)]
    return []


def _told(rule: NotificationRule) -> list[FieldError]:
    rule.triggers = list(dict.fromkeys(rule.triggers))
    errors = unknown(rule.triggers, Trigger.values, "triggers")
    if not rule.triggers:
        words = _("Choose at least one: otherwise nothing is told.")
        errors.append(FieldError(path="triggers", message=words))
    elif rule.alert_rule is not None and set(rule.triggers) <= RUN_TRIGGERS:
        words = _("An alert has no runs: choose what alerts or incidents do.")
        errors.append(FieldError(path="triggers", message=words))
    return [*errors, *_policy(rule)]


def _policy(rule: NotificationRule) -> list[FieldError]:
    """What is told of runs is judged with these triggers; a rule of alerts alone has none."""
    if "triggers" in rule.policy:
        words = _("There is no setting named “%(name)s” here: check the spelling, or remove it.")
        return [FieldError(path="policy.triggers", message=words % {"name": "triggers"})]
    of_runs = [name for name in rule.triggers if name in OF_A_JOB]
    given = {**rule.policy, "triggers": of_runs or [Trigger.RECOVERED]}
    found, errors = kept(NoticePolicy, given, "policy")
    rule.policy = {name: value for name, value in found.items() if name != "triggers"}
    return errors


def _words(rule: NotificationRule) -> list[FieldError]:
    rule.body_template = rule.body_template.replace("\r\n", "\n")
    errors = []
    for column, parse in (("subject_template", templating.parse_subject), ("body_template", templating.parse)):
        try:
            parse(getattr(rule, column))
        except templating.TemplateError as error:
            errors.append(FieldError(path=column, message=error.sentence))
    return errors


def _whom(rule: NotificationRule, channels: Sequence[Channel]) -> list[FieldError]:
    if any(channel.tenant_id != rule.tenant_id for channel in channels):
        return [FieldError(path="channels", message=_("Choose a channel of the same tenant."))]
    if rule.is_enabled and not channels:
        words = _("Choose a channel, or switch the rule off: nobody would be told.")
        return [FieldError(path="channels", message=words)]
    return []
