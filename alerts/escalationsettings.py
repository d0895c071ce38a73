"""Escalation policies: what speaks against one, and saving it with its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from alerts import books
from alerts.models import Channel, EscalationPolicy, EscalationStep, OnCallRota
from portal.lib.fielderrors import FieldError, FieldErrors

MOST_REPEATS = 20


@dataclass(frozen=True, kw_only=True)
class Step:
    """After `wait` since the step before it, the channels and who is on call in the rota are told."""

    wait: timedelta
    channels: tuple[Channel, ...] = ()
    rota: OnCallRota | None = None


def refusals(policy: EscalationPolicy) -> list[FieldError]:
    """What speaks against the policy itself, by column."""
    if policy.repeat_count > MOST_REPEATS:
        words = _("At most %(count)d times.") % {"count": MOST_REPEATS}
        return [FieldError(path="repeat_count", message=words)]
    return []


def step_refusals(channels: Sequence[Channel], rota: OnCallRota | None) -> list[FieldError]:
    """What speaks against one step."""
    if channels or rota:
        return []
    words = _("Choose a channel or a rota: otherwise this step tells nobody.")
    return [FieldError(path="channels", message=words)]


def count_refusals(count: int) -> list[FieldError]:
    """What speaks against so many steps."""
    return [] if count else [FieldError(path="steps", message=_("Add a step: without one nobody is told next."))]


def save_policy(policy: EscalationPolicy, steps: Sequence[Step], *, actor: User | None) -> None:
    """Create or change, with these steps instead of those that are there. Raises FieldErrors or PermissionDenied."""
    errors = [*refusals(policy), *count_refusals(len(steps))]
    for place, step in enumerate(steps):
        errors += [error.under(f"steps[{place}]") for error in step_refusals(step.channels, step.rota)]
    if errors:
        raise FieldErrors(errors)
    with transaction.atomic():
        books.save(policy, actor=actor)
        books.require(actor, "add", EscalationStep(policy=policy))
        policy.steps.all().delete()
        for number, step in enumerate(steps, start=1):
            row = EscalationStep.objects.create(policy=policy, number=number, wait=step.wait, rota=step.rota)
            row.channels.set(step.channels)
