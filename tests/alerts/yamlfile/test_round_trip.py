"""What goes in comes out: an export applied again changes nothing, and makes the same in another tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Membership, Tenant, User
from alerts.models import (
    AlertRule,
    Channel,
    EscalationPolicy,
    NotificationRule,
    OnCallOverride,
    OnCallRota,
    RuleBook,
)
from alerts.yamlfile import ours
from jobs.yamlfile.applier import apply_bundles
from portal.demo.alerts import make_alerts
from portal.demo.definitions import demo_bundle
from tests.alerts.yamlfile.conftest import HEAD, Told
from tests.jobs import rows

FULL = """\
channels:
  - slug: ops-hook
    kind: webhook
    name: Operations
    description: Into the ticket system
    params: {url: https://example.com/x, timeout: 20s}
    language: en
    fallback: ops-inbox
    drill_every: 1w
  - slug: ops-inbox
    kind: inbox
    name: Inbox
    params: {roles: [operator], users: [ann]}
    active: false
rotas:
  - slug: shop
    name: Shop on call
    members: [bob, ann]
    starts: 2026-11-02T09:00
    timezone: America/New_York
    shift_length: 1d
escalations:
  - slug: shop-on-call
    name: Whoever is on call
    repeat: 2
    ack_timeout: 4h
    steps:
      - {rota: shop}
      - {wait: 30m, channels: [ops-hook, ops-inbox]}
alerts:
  - slug: unpaid-orders
    name: Unpaid orders
    description: Ask accounting.
    job: orders-check
    condition: {row_count: {operator: ">", threshold: 10}}
    recovery: {operator: "<", threshold: 5}
    policy: {needed_count: 2, window_count: 3, repeat_every: 1h}
    result_grace: 10m
    severity: critical
    labels: {team: shop, urgent: ""}
    escalation: shop-on-call
  - slug: each-refund
    name: Each refund
    job: orders-check
    rows: {keys: [id]}
  - slug: whole-rows
    name: Whole rows
    job: orders-check
    rows: {}
  - slug: nothing-came
    name: Nothing came
    select: {labels: [team=shop], jobs: [report]}
    condition: empty
    enabled: false
  - slug: odd-runs
    name: Odd runs
    select: {}
    outcomes: [lost, suspicious]
    contract: {least_rows: 5}
  - slug: portal
    name: The portal
    parts: [beat, queues]
notifications:
  - name: Tell operations
    alert: unpaid-orders
    when: [firing, recovered, error]
    channels: [ops-hook]
    severity_floor: warning
    quiet_hours:
      spans:
        - {weekdays: "sat, sun", from: "00:00", until: "12:00"}
        - {from: "22:00", until: "07:00:30"}
      timezone: Asia/Shanghai
      action: drop
      lets_through: null
    digest: {every: 1h, starts: "00:30"}
    subject: "{{ task_name }}"
    body: |
      first
      second
  - name: Failures of the report
    job: report
    when: [technical_failure]
    policy: {threshold: 3, repeat: once, at_most_every: 1h, only_last_try: false}
    channels: [ops-hook, ops-inbox]
  - name: Whatever happens in the shop
    select: {labels: [team=shop], rules: [odd-runs]}
    when: [firing]
    enabled: false
"""
NEW = "Created 13, updated 0, left 0 unchanged.\n"
OF_ALERTS = [section.name for section in ours.OURS]


def alerts_part(text: str) -> str:
    """An export from the first section of alerts on."""
    return text[text.index("channels:\n") :]


def test_a_file_makes_what_it_says(apply: Told, acme: Tenant) -> None:
    assert apply(FULL).endswith(NEW)
    hook = Channel.objects.get(slug="ops-hook")
    assert (hook.fallback, hook.drill_every, hook.language) == (
        Channel.objects.get(slug="ops-inbox"), timedelta(weeks=1), "en",
    )  # fmt: skip
    rota = OnCallRota.objects.get()
    assert rota.starts == datetime(2026, 11, 2, 14, tzinfo=UTC)
    assert [User.objects.get(pk=pk).username for pk in rota.members] == ["bob", "ann"]
    steps = EscalationPolicy.objects.get().steps.all()
    assert [(step.wait, step.rota, step.channels.count()) for step in steps] == [
        (timedelta(minutes=15), rota, 0),
        (timedelta(minutes=30), None, 2),
    ]
    rule = AlertRule.objects.get(slug="unpaid-orders")
    assert (rule.source, rule.condition, rule.recovery_params) == (
        "result", "row_count", {"operator": "<", "threshold": 5},
    )  # fmt: skip
    assert rule.enabled_at is not None
    sources = dict(AlertRule.objects.values_list("slug", "source"))
    assert (sources["each-refund"], sources["odd-runs"], sources["portal"]) == ("result", "outcome", "portal")
    notice = NotificationRule.objects.get(name="Tell operations")
    assert notice.quiet_hours is not None
    assert notice.quiet_hours["spans"][0] == {"weekdays": [5, 6], "starts": "00:00:00", "ends": "12:00:00"}
    assert list(notice.channels.all()) == [hook]


def test_every_row_is_audited_and_the_book_is_new(apply: Told) -> None:
    apply(FULL)
    verbs = AuditEntry.objects.filter(verb__startswith="alerts.").values_list("verb", flat=True)
    assert len(verbs) == 13
    assert {verb.rsplit(".", 1)[1] for verb in verbs} == {"created"}
    assert RuleBook.objects.get().version == 13


def test_an_own_export_changes_nothing(apply: Told, export: Told) -> None:
    apply(FULL)
    version = RuleBook.objects.get().version
    assert apply(alerts_part(export())).endswith("No changes.\n")
    assert apply(FULL).endswith("No changes.\n")
    assert RuleBook.objects.get().version == version


def test_what_is_written_as_the_export_writes_it_comes_out_as_it_went_in(apply: Told, export: Told) -> None:
    apply(FULL)
    first = alerts_part(export())
    assert first.count("quiet_hours:") == 1
    for word in ("severity: warning\n    labels", "enabled: true", "wait: 15m", "weekdays: mon-sun", "repeat: every"):
        assert word not in first, "a default was written"
    for word in (
        "condition: empty",
        "select: {}",
        "rows: {}",
        "lets_through: null",
        "until: 07:00:30",
        "needed_count: 2",
    ):
        assert word in first, word


def test_it_makes_the_same_in_another_tenant(apply: Told, export: Told, acme: Tenant) -> None:
    apply(FULL)
    other = rows.tenant("other")
    for name in ("ann", "bob"):
        Membership.objects.create(tenant=other, user=User.objects.get(username=name), role="editor")
    rows.job("orders-check", other, kind="sql", params={"datasource": "shop", "sql": "select 1"})
    rows.job("report", other)
    apply(alerts_part(export()), head=HEAD.replace("acme", "other"))
    assert alerts_part(export("other")) == alerts_part(export())
    assert {rule.job.tenant for rule in AlertRule.objects.filter(tenant=other) if rule.job} == {other}
    notice = NotificationRule.objects.get(tenant=other, name="Tell operations")
    assert {channel.tenant for channel in notice.channels.all()} == {other}


def test_the_demo_goes_out_and_into_a_fresh_tenant(apply: Told, export: Told, tmp_path, settings) -> None:
    settings.PORTAL_SQLITE_ROOTS = [tmp_path]
    demo, now = rows.tenant("demo"), timezone.now()
    bundle = demo_bundle("demo.yaml", language="en", now=now, port="8000", csv_folder=tmp_path)
    apply_bundles([bundle], actor=None)
    for role in ("viewer", "operator", "editor", "admin"):
        rows.user(f"demo-{role}", role=role, of=demo)
    make_alerts(demo, now)
    exported = export("demo")
    assert [name for name in OF_ALERTS if f"\n{name}:\n" in exported] == OF_ALERTS
    assert apply(exported, head="").endswith("No changes.\n")
    copy = rows.tenant("copy")
    for role in ("operator", "editor"):
        Membership.objects.create(tenant=copy, user=User.objects.get(username=f"demo-{role}"), role=role)
    moved = exported.replace("tenant: demo\n", "tenant: copy\n")
    apply(moved, head="")
    assert export("copy") == moved


def test_what_the_file_does_not_say_stays(apply: Told) -> None:
    apply(FULL)
    stand_in = OnCallOverride.objects.create(
        rota=OnCallRota.objects.get(), user=User.objects.get(username="ann"), starts_at=timezone.now(),
        ends_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
    AlertRule.objects.filter(slug="unpaid-orders").update(is_enabled=False)
    text = "alerts:\n  - {slug: unpaid-orders, job: orders-check, condition: not_empty}\n"
    assert "-severity: critical" in apply(text)
    rule = AlertRule.objects.get(slug="unpaid-orders")
    assert (rule.name, rule.is_enabled, rule.labels) == ("Unpaid orders", False, {"team": "shop", "urgent": ""})
    assert (rule.severity, rule.escalation, rule.recovery_params) == ("warning", None, None)
    assert apply(FULL.replace("repeat: 2", "repeat: 3")).count("updated\n") == 2
    assert list(OnCallOverride.objects.all()) == [stand_in]
    assert NotificationRule.objects.count() == 3


def test_a_dry_run_shows_the_difference_and_changes_nothing(apply: Told) -> None:
    assert "Would create 13" in apply(FULL, "--dry-run")
    assert not Channel.objects.exists()
    apply(FULL)
    told = apply(FULL.replace("threshold: 10", "threshold: 20"), "--dry-run")
    assert "-    threshold: 10\n+    threshold: 20" in told
    assert AlertRule.objects.get(slug="unpaid-orders").condition_params["threshold"] == 10


def test_what_a_deleted_job_had_is_not_exported(apply: Told, export: Told) -> None:
    apply(FULL)
    rule = AlertRule.objects.get(slug="unpaid-orders")
    assert rule.job is not None
    rule.job.slug, rule.job.archived_at = "orders-check.deleted-1", timezone.now()
    rule.job.save()
    text = export()
    assert "unpaid-orders" not in text
    assert "Tell operations" not in text
    assert apply(alerts_part(text)).endswith("No changes.\n")


def test_who_or_what_is_gone_makes_no_new_mistake(apply: Told, export: Told) -> None:
    apply(FULL)
    Membership.objects.filter(user__username="ann").delete()
    AlertRule.objects.filter(slug="odd-runs").delete()
    text = alerts_part(export())
    assert "- ann" in text
    assert "- odd-runs" in text
    assert apply(text).endswith("No changes.\n")


def test_steps_with_gaps_in_their_numbers_are_the_same_steps(apply: Told) -> None:
    apply(FULL)
    last = EscalationPolicy.objects.get().steps.last()
    assert last is not None
    last.number = 20
    last.save()
    assert apply(FULL).endswith("No changes.\n")
    assert EscalationPolicy.objects.get().steps.filter(pk=last.pk).exists()


@pytest.mark.parametrize("count", [1, 2])
def test_two_rules_of_one_name_can_not_be_told_apart(apply: Told, refusal: Told, count: int) -> None:
    text = "notifications:\n  - {name: Same, job: report, when: [lost], enabled: false}\n"
    for _each in range(count):
        NotificationRule.objects.create(tenant=rows.tenant(), name="Same", triggers=["lost"], is_enabled=False)
    if count == 1:
        assert "updated 1" in apply(text)
    else:
        words = "file.yaml:4: notifications[0].name: Several notification rules of this tenant are called “Same”"
        assert words in refusal(text)


def test_the_shipped_example_applies(apply: Told) -> None:
    rows.job("orders-waiting", rows.tenant("demo"), kind="sql", params={"datasource": "shop", "sql": "select 1"})
    text = (Path(__file__).parents[3] / "examples" / "alerts.yaml").read_text(encoding="utf-8")
    assert "Created 5" in apply(text, head="")
    assert apply(text, head="").endswith("No changes.\n")


def test_the_example_of_the_guide_applies(apply: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_HOOK_SECRET", "a-long-signing-secret")
    for name in ("user-guide.md", "user-guide.zh.md"):
        text = (Path(__file__).parents[3] / "docs" / name).read_text(encoding="utf-8")
        example = text[text.index("```yaml\nchannels:") :].removeprefix("```yaml\n")
        apply(example[: example.index("```")])
    assert NotificationRule.objects.count() == 2
