"""Alert rules: saved, switched on and off, deleted. What is remembered of them is `alerts.evaluate`'s."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.models import User
from alerts import books, clockwork, incidents
from alerts.models import AlertRule, AlertStatus
from jobs import dbclock
from jobs.deadlocks import repeated_after_deadlock

# Columns that say what is looked at and when it is bad: with others an old finding means nothing any more.
LOOKED_AT = frozenset(
    {
        "source", "job_id", "selector", "condition", "condition_params", "recovery_params", "key_columns",
        "is_row_level", "outcomes", "contract", "subjects",
    }
)  # fmt: skip


def save_rule(rule: AlertRule, *, actor: User | None) -> None:
    """Create or change. One that looks at something else now, or is switched on, begins anew."""
    stored = AlertRule.objects.filter(pk=rule.pk).first() if rule.pk else None
    is_switched_on = rule.is_enabled and not (stored and stored.is_enabled)
    is_switched_off = not rule.is_enabled and bool(stored and stored.is_enabled)
    with transaction.atomic():
        if is_switched_on:
            rule.enabled_at = dbclock.now()
        changed = set(books.save(rule, actor=actor))
        if is_switched_off:
            _leave_incidents(rule)
        elif rule.is_enabled and (is_switched_on or changed & LOOKED_AT):
            _begin(rule)


def enable_rule(rule: AlertRule, *, actor: User | None) -> bool:
    """Look from now on. False: it was enabled already."""
    return _switch(rule, True, actor)


def disable_rule(rule: AlertRule, *, actor: User | None) -> bool:
    """Look no more; its part in open incidents is over. False: it was disabled already."""
    return _switch(rule, False, actor)


@repeated_after_deadlock
def delete_rule(rule: AlertRule, *, actor: User | None) -> None:
    """Its part in open incidents is over first: nobody else could ever end it."""
    books.require(actor, "delete", rule)
    with transaction.atomic():
        _leave_incidents(rule)
        books.delete(rule, actor=actor)


@repeated_after_deadlock
def _switch(rule: AlertRule, is_enabled: bool, actor: User | None) -> bool:
    books.require(actor, "change", rule)
    with transaction.atomic():
        fresh = AlertRule.objects.select_for_update().get(pk=rule.pk)
        if fresh.is_enabled == is_enabled:
            return False
        fresh.is_enabled = is_enabled
        fresh.enabled_at = dbclock.now() if is_enabled else fresh.enabled_at
        fresh.save(update_fields=["is_enabled", "enabled_at", "updated_at"])
        if is_enabled:
            _begin(fresh)
        else:
            _leave_incidents(fresh)
        books.changed(fresh.tenant_id)
        audit.record(f"alerts.alertrule.{'enabled' if is_enabled else 'disabled'}", actor=actor, target=fresh)
    rule.refresh_from_db()
    return True


def _begin(rule: AlertRule) -> None:
    """As if the rule were new: nothing was found yet. Its checks stay, as history."""
    AlertStatus.objects.filter(rule=rule).update(value=None, sentence={}, checked_at=None)
    clockwork.begin(rule, dbclock.now())


def _leave_incidents(rule: AlertRule) -> None:
    now = dbclock.now()
    for status in AlertStatus.objects.select_for_update().filter(rule=rule).order_by("pk"):
        incidents.forget(status, now)
