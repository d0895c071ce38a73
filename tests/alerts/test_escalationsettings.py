"""Escalation policies with their steps: what speaks against them, and who may save them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import AuditEntry
from alerts.escalationsettings import Step, save_policy
from alerts.models import EscalationPolicy, RuleBook
from portal.lib.fielderrors import FieldErrors
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
QUARTER = timedelta(minutes=15)


def policy(**columns: object) -> EscalationPolicy:
    return EscalationPolicy(**{"tenant": jobs.tenant(), "slug": "night", "name": "Night", **columns})


def test_the_given_steps_replace_those_that_are_there() -> None:
    mail, chat, made = rows.channel(), rows.channel("chat"), policy()
    save_policy(made, [Step(wait=QUARTER, channels=(mail,)), Step(wait=QUARTER, channels=(mail, chat))], actor=None)
    save_policy(made, [Step(wait=timedelta(0), channels=(chat,))], actor=None)
    assert [(step.number, step.wait, list(step.channels.all())) for step in made.steps.all()] == [
        (1, timedelta(0), [chat])
    ]
    assert RuleBook.objects.get().version == 2
    assert AuditEntry.objects.filter(verb__startswith="alerts.escalationpolicy.").count() == 2


def test_what_is_wrong_is_said_by_place_and_nothing_is_saved() -> None:
    with pytest.raises(FieldErrors) as caught:
        save_policy(policy(repeat_count=21), [Step(wait=QUARTER)], actor=None)
    assert [error.path for error in caught.value.errors] == ["repeat_count", "steps[0].channels"]
    with pytest.raises(FieldErrors, match="Add a step"):
        save_policy(policy(), [], actor=None)
    assert not EscalationPolicy.objects.exists()


def test_who_may_only_look_saves_nothing() -> None:
    step = Step(wait=QUARTER, channels=(rows.channel(),))
    with pytest.raises(PermissionDenied):
        save_policy(policy(), [step], actor=jobs.user("vi", role="viewer"))
    assert not EscalationPolicy.objects.exists()
