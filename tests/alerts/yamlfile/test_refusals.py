"""One bad entry refuses the file whole, in one sentence at its line."""

from __future__ import annotations

import pytest

from accounts.models import Tenant
from alerts.models import AlertRule, Channel, EscalationPolicy, NotificationRule, OnCallRota
from tests.alerts.admin import rows as alerts
from tests.alerts.yamlfile.conftest import Told
from tests.jobs import rows

GOOD = """\
channels:
  - slug: ops-hook
    kind: webhook
    params: {url: https://example.com/x}
    secrets: {signing_secret: "${env:HOOK_SECRET}"}
    fallback: ops-inbox
    drill_every: 1w
  - slug: ops-inbox
    kind: inbox
    params: {roles: [operator]}
rotas:
  - slug: shop
    members: [ann, bob]
    starts: 2026-11-02T09:00
    timezone: Asia/Tokyo
    shift_length: 1d
escalations:
  - slug: shop-on-call
    repeat: 2
    ack_timeout: 4h
    steps:
      - rota: shop
      - {wait: 30m, channels: [ops-hook, ops-inbox]}
alerts:
  - slug: unpaid-orders
    job: orders-check
    condition: {row_count: {operator: ">", threshold: 10}}
    recovery: {operator: "<", threshold: 5}
    policy: {needed_count: 2, window_count: 3}
    severity: critical
    result_grace: 10m
    labels: {team: shop}
    escalation: shop-on-call
  - slug: odd-runs
    select: {jobs: [report]}
    outcomes: [lost]
  - slug: portal
    parts: [beat]
notifications:
  - name: Tell operations
    alert: unpaid-orders
    when: [firing, recovered]
    channels: [ops-hook]
    quiet_hours:
      spans:
        - {weekdays: mon-fri, from: "22:00", until: "07:00"}
      timezone: Asia/Tokyo
    digest: {every: 1h, starts: "00:30"}
    subject: "{{ task_name }}"
    body: Look at it.
  - name: Failures
    job: report
    when: [lost]
    policy: {threshold: 3}
    channels: [ops-inbox]
"""
BAD = [
    # channels
    ("kind: webhook", "kind: pigeon", ":5: channels[0].kind: There is no kind of channel named “pigeon”"),
    ("https://example.com/x", "not-an-address", ":6: channels[0].params.url:"),
    ("{url:", "{urll: 1, url:", ":6: channels[0].params.urll: There is no setting named “urll”"),
    ("${env:HOOK_SECRET}", "hunter2", ":7: channels[0].secrets.signing_secret: Don't write a secret into the file"),
    ("${env:HOOK_SECRET}", "a${env:HOOK_SECRET}", ":7: channels[0].secrets.signing_secret: Don't write a secret"),
    ("${env:HOOK_SECRET}", "${env:NOT_SET}", ":7: channels[0].secrets.signing_secret: The environment variable NOT"),
    ("signing_secret:", "signing:", ":7: channels[0].secrets.signing: There is no setting named “signing”"),
    ("fallback: ops-inbox", "fallback: nobody", ":8: channels[0].fallback: There is no channel “nobody” in this"),
    ("fallback: ops-inbox", "fallback: ops-hook", ":8: channels[0].fallback: “ops-hook” comes back to this channel"),
    ("drill_every: 1w", "drill_every: 5m", ":9: channels[0].drill_every: This must be between 1h and"),
    ("drill_every: 1w", "language: tlh", ":9: channels[0].language: Choose one of: "),
    ("slug: ops-inbox", "slug: ops-hook", ":10: channels[1].slug: “ops-hook” stands in this file twice"),
    ("slug: ops-inbox", "slug: ops inbox", ":10: channels[1].slug: Enter a valid “slug”"),
    ("roles: [operator]", "roles: [king]", ":12: channels[1].params.roles[0]: Choose one of"),
    # rotas
    ("members: [ann, bob]", "members: [ann, eve]", ":15: rotas[0].members[1]: “eve” is no active member"),
    ("members: [ann, bob]", "members: []", ":15: rotas[0].members: Name at least one member"),
    ("starts: 2026-11-02T09:00", "starts: soon", ":16: rotas[0].starts: Write a date and a time"),
    ("starts: 2026-11-02T09:00", "starts: 0002-01-01T00:00", ":16: rotas[0].starts: Write a date and a time"),
    ("starts: 2026-11-02T09:00", "starts: 9999-12-31T23:59:00-00:30", ":16: rotas[0].starts: Write a date and a time"),
    ("timezone: Asia/Tokyo", "timezone: Mars/Base", ":17: rotas[0].timezone: There is no time zone “Mars/Base”"),
    ("shift_length: 1d", "shift_length: 10m", ":18: rotas[0].shift_length: This must be between 1h and"),
    # escalations
    ("repeat: 2", "repeat: 21", ":21: escalations[0].repeat: At most 20 times"),
    ("ack_timeout: 4h", "ack_timeout: 5s", ":22: escalations[0].ack_timeout: This must be between 1m"),
    ("rota: shop", "rota: shoe", ":24: escalations[0].steps[0].rota: There is no on-call rota “shoe”"),
    ("rota: shop", "wait: 5m", ":24: escalations[0].steps[0].channels: Choose a channel or a rota"),
    ("wait: 30m", "wait: 31d", ":25: escalations[0].steps[1].wait: This must be between 0s and"),
    ("[ops-hook, ops-inbox]", "[ops-hook, x]", ":25: escalations[0].steps[1].channels[1]: There is no channel “x”"),
    # alerts
    ("job: orders-check", "job: nowhere", ":28: alerts[0].job: There is no job “nowhere” in this tenant"),
    ("job: orders-check", "job: report", ":28: alerts[0].job: “report” gives no table: choose a SQL job"),
    ("job: orders-check", "name: x", ":27: alerts[0]: Say what is watched"),
    ("{row_count: {", "{rows_count: {", ":29: alerts[0].condition: There is no condition “rows_count” here"),
    ("operator: \">\", threshold", "operator: \"~\", threshold", ":29: alerts[0].condition.row_count.operator: Choose"),
    ("threshold: 10", "threshold: many", ":29: alerts[0].condition.row_count.threshold: This must be a whole number"),
    ("threshold: 10}}", "threshold: 10}, empty: {}}", ":29: alerts[0].condition: Give one condition"),
    ("condition: {row_count: {operator: \">\", threshold: 10}}", "outcomes: [lost]",
     ":30: alerts[0].recovery: “recovery” goes with “condition” alone"),
    ("operator: \"<\", threshold: 5", "operator: \">\", threshold: 10", ":30: alerts[0].recovery: This is what is bad"),
    ("operator: \"<\", threshold: 5", "operator: \"<\"", ":30: alerts[0].recovery.threshold: This is required"),
    ("needed_count: 2", "needed_count: 4", ":31: alerts[0].policy.needed_count: It can't be more than the 3"),
    ("severity: critical", "severity: urgent", ":32: alerts[0].severity: Choose one of"),
    ("result_grace: 10m", "result_grace: 3000w", ":33: alerts[0].result_grace: This must be between"),
    ("result_grace: 10m", "rows: {}", ":27: alerts[0]: An alert has exactly one of condition, rows, outcomes and"),
    ("{team: shop}", "{team shop: x}", ":34: alerts[0].labels: “team shop=x” is no label"),
    ("escalation: shop-on-call", "escalation: shop", ":35: alerts[0].escalation: There is no escalation policy “shop”"),
    ("{jobs: [report]}", "{jobs: [report, x]}", ":37: alerts[1].select.jobs[1]: There is no job “x” in this tenant"),
    ("{jobs: [report]}", "{rules: [portal]}", ":37: alerts[1].select.rules"),
    ("{jobs: [report]}", "{labels: [a b]}", ":37: alerts[1].select.labels: “a b” is no label"),
    ("{jobs: [report]}", "{categories: [x]}", ":37: alerts[1].select.categories[0]: Choose one of"),
    ("outcomes: [lost]", "outcomes: [won]", ":38: alerts[1].outcomes[0]: Choose one of: business_failure"),
    ("parts: [beat]", "parts: [moon]", ":40: alerts[2].parts[0]: Choose one of: portal"),
    ("parts: [beat]", "parts: [beat]\n    job: report", ":40: alerts[2].parts: Parts of the portal belong to no job"),
    # notifications
    ("alert: unpaid-orders", "alert: paid-orders", ":43: notifications[0].alert: There is no alert rule “paid-orders”"),
    ("alert: unpaid-orders", "select: {rules: [x]}", ":43: notifications[0].select.rules[0]: There is no alert"),
    ("alert: unpaid-orders", "severity_floor: info", ":42: notifications[0]: Say what is told of"),
    ("[firing, recovered]", "[firing, full_moon]", ":44: notifications[0].when[1]: Choose one of: success"),
    ("[firing, recovered]", "[lost]", ":44: notifications[0].when: An alert has no runs"),
    ("channels: [ops-hook]", "channels: [x]", ":45: notifications[0].channels[0]: There is no channel “x” in this"),
    ("channels: [ops-hook]", "channels: []", ":45: notifications[0].channels: Choose a channel, or switch the rule"),
    ("mon-fri", "mon-funday", ":48: notifications[0].quiet_hours.spans[0].weekdays: “mon-funday” is no weekday"),
    ("from: \"22:00\"", "from: \"25:00\"", ":48: notifications[0].quiet_hours.spans[0].from:"),
    ("from: \"22:00\"", "from: 22:00", ":48: notifications[0].quiet_hours.spans[0].from: This must be text"),
    ("weekdays: mon-fri, from: \"22:00\", until: \"07:00\"", "from: \"00:00\", until: \"00:00\"",
     ":47: notifications[0].quiet_hours.spans: It would be quiet all week"),
    ("      timezone: Asia/Tokyo", "      timezone: Mars/Base", ":49: notifications[0].quiet_hours.timezone: There"),
    ("every: 1h", "every: 7m", ":50: notifications[0].digest.every: A day must divide into it evenly"),
    ("starts: \"00:30\"", "starts: 12:00", ":50: notifications[0].digest.starts: This must be text"),
    ("{{ task_name }}", "{{ task_nam }}", ":51: notifications[0].subject:"),
    ("body: Look at it.", "body: \"{% if x %}\"", ":52: notifications[0].body:"),
    ("name: Failures", "name: Tell operations", ":53: notifications[1].name: “Tell operations” stands in this"),
    ("threshold: 3}", "threshold: 0}", ":56: notifications[1].policy.threshold: This must be 1 or more"),
    ("threshold: 3}", "triggers: [lost]}", ":56: notifications[1].policy.triggers: There is no setting named"),
    # the whole
    ("notifications:", "notices:", ":41: notices: There is no setting named “notices” here"),
]  # fmt: skip


def stored() -> int:
    return sum(model.objects.count() for model in (Channel, OnCallRota, EscalationPolicy, AlertRule, NotificationRule))


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "hunter2hunter2")


def test_what_the_others_spoil_is_good(apply: Told) -> None:
    assert apply(GOOD).endswith("Created 9, updated 0, left 0 unchanged.\n")


@pytest.mark.parametrize(("old", "new", "expected"), BAD, ids=[new[:40] for _old, new, _expected in BAD])
def test_one_bad_entry_refuses_the_file_whole(refusal: Told, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) >= 1
    told = refusal(GOOD.replace(old, new, 1))
    assert expected in told
    assert "hunter2" not in told
    assert "Nothing was changed" in told
    assert stored() == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alerts: [{slug: a, job: theirs, outcomes: [lost]}]", "alerts[0].job: There is no job “theirs”"),
        ("alerts: [{slug: a, select: {jobs: [theirs]}, outcomes: [lost]}]", "There is no job “theirs”"),
        ("alerts: [{slug: a, job: report, outcomes: [lost], escalation: theirs}]", "no escalation policy “theirs”"),
        ("escalations: [{slug: a, steps: [{rota: theirs}]}]", "There is no on-call rota “theirs”"),
        ("escalations: [{slug: a, steps: [{channels: [theirs]}]}]", "There is no channel “theirs”"),
        ("channels: [{slug: a, kind: inbox, params: {roles: [admin]}, fallback: theirs}]", "no channel “theirs”"),
        ("notifications: [{name: a, job: theirs, when: [lost], enabled: false}]", "There is no job “theirs”"),
        ("notifications: [{name: a, alert: theirs, when: [firing], enabled: false}]", "no alert rule “theirs”"),
        ("notifications: [{name: a, job: report, when: [lost], channels: [theirs]}]", "no channel “theirs”"),
        ("rotas: [{slug: a, members: [eve], starts: 2026-11-02T09:00}]", "“eve” is no active member"),
    ],
)
@pytest.mark.parametrize("actor", ["", "bob", "both"])
def test_nothing_of_another_tenant_can_be_named(
    refusal: Told, acme: Tenant, text: str, expected: str, actor: str
) -> None:
    """Not even by the operator, nor by somebody who sees both tenants."""
    other = rows.tenant("other")
    rows.job("theirs", other)
    alerts.rule("theirs", other)
    alerts.channel("theirs", other)
    rows.user("eve", of=other)
    OnCallRota.objects.create(tenant=other, slug="theirs", name="T", starts="2026-11-02T09:00:00Z")
    EscalationPolicy.objects.create(tenant=other, slug="theirs", name="T")
    if actor == "both":
        rows.user("both", is_superuser=True)
    assert expected in refusal(text, *(["--as", actor] if actor else []))


def test_an_entry_makes_its_own_row_where_another_tenant_has_the_slug(apply: Told, acme: Tenant) -> None:
    theirs = alerts.channel("shared", rows.tenant("other"), name="Theirs")
    notice = NotificationRule.objects.create(tenant=theirs.tenant, name="Shared", triggers=["lost"])
    apply(
        "channels: [{slug: shared, kind: inbox, params: {roles: [admin]}}]\n"
        "notifications: [{name: Shared, job: report, when: [success], channels: [shared]}]\n"
    )
    theirs.refresh_from_db()
    notice.refresh_from_db()
    assert (theirs.name, theirs.kind, notice.triggers) == ("Theirs", "webhook", ["lost"])
    assert Channel.objects.get(tenant=acme).kind == "inbox"
    assert [one.tenant for one in NotificationRule.objects.get(tenant=acme).channels.all()] == [acme]


RIGHTS = [
    ("viewer", "alerts: [{slug: a, job: report, outcomes: [lost]}]", "alerts[0]"),
    ("viewer", "rotas: [{slug: a, members: [ann], starts: 2026-11-02T09:00}]", "rotas[0]"),
    ("viewer", "notifications: [{name: a, job: report, when: [lost], enabled: false}]", "notifications[0]"),
    ("operator", "escalations: [{slug: a, steps: [{channels: [mail]}]}]", "escalations[0]"),
    ("editor", "channels: [{slug: a, kind: inbox, params: {roles: [admin]}}]", "channels[0]"),
    ("editor", "channels: [{slug: mail, kind: inbox, params: {roles: [admin]}}]", "channels[0]"),
]


@pytest.mark.parametrize(("role", "text", "place"), RIGHTS)
def test_a_right_that_is_missing_is_one_sentence(refusal: Told, acme: Tenant, role: str, text: str, place: str) -> None:
    alerts.channel()
    rows.user("me", role=role)
    before = stored()
    told = refusal(text, "--as", "me")
    assert f":3: {place}: You may not do this here: ask a tenant admin for the right." in told
    assert "Nothing was changed: there is 1 error." in told
    assert stored() == before


def test_who_may_does(apply: Told, acme: Tenant) -> None:
    rows.user("owner", role="admin")
    assert "Created 9" in apply(GOOD, "--as", "owner")
    assert Channel.objects.filter(created_by__username="owner").count() == 2
