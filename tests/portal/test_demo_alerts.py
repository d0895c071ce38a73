"""The demo's alerts: made by the engine itself, in every state that people are to see."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from accounts.models import Tenant
from alerts import backtest
from alerts.backtest import Question
from alerts.models import (
    AlertRow,
    AlertRule,
    AlertStatus,
    Channel,
    EscalationPolicy,
    Incident,
    Notification,
    NotificationRule,
    OnCallRota,
    Silence,
)
from alerts.shelf import shelf, target_of
from alerts.states import Happened
from jobs import dbclock
from jobs.models import Run
from portal.demo.alerts import PAST


@pytest.fixture
def demo(settings, tmp_path, db):
    settings.DATA_DIR = tmp_path
    settings.PORTAL_SQLITE_ROOTS = [tmp_path / "files"]
    settings.LANGUAGE_CODE = "en"
    call_command("seed_demo", verbosity=0)
    return Tenant.objects.get(slug="demo")


def test_one_incident_is_looked_after_one_is_over_and_rows_have_their_own(demo):
    found = {one.members.get().status.rule.slug: one for one in Incident.objects.all()}
    assert {slug: one.status for slug, one in found.items()} == {
        "orders-waiting": "acknowledged",
        "refunds-today": "resolved",
        "unusual-refunds": "open",
    }
    lines = list(found["refunds-today"].events.order_by("pk").values_list("what", flat=True))
    assert lines[0] == Happened.OPENED
    assert [one for one in lines if one in ("acknowledged", "commented")] == [Happened.ACKNOWLEDGED, Happened.COMMENTED]
    assert lines[-1] == Happened.RESOLVED
    assert str(found["orders-waiting"].owner) == "demo-operator"
    states = dict(AlertStatus.objects.values_list("rule__slug", "state"))
    assert (states["orders-waiting"], states["refunds-today"]) == ("firing", "ok")


def test_rows_are_acknowledged_open_and_settled(demo):
    rows = AlertRow.objects.filter(status__rule__slug="unusual-refunds")
    assert rows.exclude(resolved_at=None).count() == 1
    assert rows.exclude(acknowledged_at=None).count() == 2
    assert rows.filter(resolved_at=None, acknowledged_at=None).count() == 3


def test_everything_that_people_configure_is_there_and_safe_to_use(demo):
    hook = Channel.objects.get(kind="webhook")
    assert hook.fallback is not None
    assert hook.fallback.kind == "email"
    assert Channel.objects.filter(kind="inbox").exists()
    assert {rule.source for rule in AlertRule.objects.all()} == {"result", "outcome", "portal"}
    assert NotificationRule.objects.filter(channels=None).count() == 0
    assert (Silence.objects.count(), OnCallRota.objects.count(), EscalationPolicy.objects.get().steps.count()) == (
        1,
        1,
        2,
    )


def test_the_messages_are_those_that_a_back_test_finds(demo):
    """So they came about by the engine, and not by hand."""
    rule = AlertRule.objects.get(slug="refunds-today")
    assert rule.job is not None
    now = dbclock.now()
    asked = Question(
        rule=rule, job=rule.job, notices=list(NotificationRule.objects.filter(job=None)),
        book=shelf.take([demo.pk])[demo.pk], target=target_of(rule.job, rule), since=now - PAST, until=now,
    )  # fmt: skip
    would = sorted((one.trigger.value, one.channel.slug) for one in backtest.of_alert(asked).written)
    live = Notification.objects.filter(alert_rule=rule).values_list("trigger", "channel__slug")
    assert sorted(live) == would
    assert len(would) == 4


def test_the_ledger_holds_and_a_second_time_changes_nothing(demo):
    before = (Run.objects.count(), Incident.objects.count(), Notification.objects.count())
    call_command("seed_demo", verbosity=0)
    assert (Run.objects.count(), Incident.objects.count(), Notification.objects.count()) == before
    call_command("check_ledger")
