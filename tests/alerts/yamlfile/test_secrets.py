"""A channel's secrets come from the environment, stay where they are not given, and get out nowhere."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command
from django.utils import timezone
from pydantic import field_validator

from accounts.models import AuditEntry
from alerts.models import Channel
from alerts.parcels import secrets_of
from alerts.transports import TRANSPORTS
from alerts.transports.webhook import Webhook, WebhookSecrets
from tests.alerts.yamlfile.conftest import HEAD, Told

FIRST, SECOND, ADDRESS = "first-secret-value", "second-secret-value", "https://hooks.example.com/very-secret-part"
HOOK = """\
channels:
  - slug: hook
    kind: webhook
    params: {url: https://example.com/x}
    secrets: {signing_secret: "${env:HOOK_SECRET}"}
"""
WITHOUT = HOOK[: HOOK.index("    secrets:")]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("HOOK_SECRET", FIRST)
    return monkeypatch


def test_it_is_sealed_and_shown_nowhere(apply: Told, export: Told) -> None:
    told = apply(HOOK)
    channel = Channel.objects.get()
    assert secrets_of(channel) == {"signing_secret": FIRST}
    trail = str(list(AuditEntry.objects.values_list("summary", "details")))
    for text in (told, export(), channel.secrets_encrypted, trail):
        assert FIRST not in text
    assert "secrets" not in export()


def test_one_that_is_not_given_stays(apply: Told) -> None:
    apply(HOOK)
    assert apply(WITHOUT).endswith("No changes.\n")
    assert "updated" in apply(WITHOUT + "    name: Renamed\n")
    assert secrets_of(Channel.objects.get()) == {"signing_secret": FIRST}


def test_the_same_again_is_no_change_and_keeps_the_proof(apply: Told) -> None:
    apply(HOOK)
    Channel.objects.update(proven_at=timezone.now())
    assert apply(HOOK).endswith("No changes.\n")
    apply(HOOK + "    name: Renamed\n")
    assert Channel.objects.get().proven_at is not None


def test_another_value_is_told_without_saying_it(apply: Told, secret: pytest.MonkeyPatch, tmp_path) -> None:
    apply(HOOK)
    Channel.objects.update(proven_at=timezone.now())
    secret.setenv("HOOK_SECRET", SECOND)
    told = apply(HOOK, "--dry-run") + apply(HOOK, "--dry-run", "--json") + apply(HOOK)
    assert "signing_secret: ••••••" in told
    assert FIRST not in told
    assert SECOND not in told
    assert secrets_of(Channel.objects.get()) == {"signing_secret": SECOND}
    assert Channel.objects.get().proven_at is None


def test_another_address_asks_for_the_secret_again(apply: Told, refusal: Told) -> None:
    apply(HOOK)
    moved = WITHOUT.replace("example.com/x", "example.org/x")
    assert "channels[0].secrets.signing_secret: Enter it again" in refusal(moved)
    assert "updated 1" in apply(HOOK.replace("example.com/x", "example.org/x"))
    assert secrets_of(Channel.objects.get()) == {"signing_secret": FIRST}


@pytest.mark.parametrize("value", ["two\nlines-of-a-secret", "x" * 3000])
def test_a_refused_secret_is_not_said(apply: Told, secret: pytest.MonkeyPatch, tmp_path, value: str) -> None:
    secret.setenv("HOOK_SECRET", value)
    path = tmp_path / "bad.yaml"
    path.write_text(HEAD + HOOK.replace("signing_secret:", "authorization:"))
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("apply", str(path), "--json", stdout=out)
    (error,) = json.loads(out.getvalue())["errors"]
    assert (error["path"], error["line"]) == ("channels[0].secrets.authorization", 7)
    assert value[:20] not in out.getvalue()
    assert "lines-of-a-secret" not in out.getvalue()


def test_an_address_that_is_a_key_is_not_said(apply: Told, refusal: Told, secret: pytest.MonkeyPatch) -> None:
    text = 'channels: [{slug: chat, kind: slack, secrets: {webhook_url: "${env:HOOK_SECRET}"}}]\n'
    secret.setenv("HOOK_SECRET", ADDRESS.replace("https:", "gopher:"))
    assert "very-secret-part" not in refusal(text)
    secret.setenv("HOOK_SECRET", ADDRESS)
    assert "very-secret-part" not in apply(text)
    assert apply("channels: [{slug: chat, kind: slack}]\n").endswith("No changes.\n")


def test_without_a_key_it_is_a_sentence(refusal: Told, settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = []
    assert "channels[0].secrets: No encryption key is configured" in refusal(HOOK)
    assert not Channel.objects.exists()


class _Telling(WebhookSecrets):
    token: str = ""

    @field_validator("token")
    @classmethod
    def _says_what_it_was_given(cls, value: str) -> str:
        raise ValueError(f"This is wrong: {value}")


class _Teller(Webhook):
    """A kind of somebody else, which is careless."""

    kind = "teller"
    SECRETS = _Telling


def test_not_even_a_careless_kind_says_a_secret(refusal: Told, secret: pytest.MonkeyPatch) -> None:
    secret.setitem(TRANSPORTS._table, "teller", _Teller())
    told = refusal(HOOK.replace("kind: webhook", "kind: teller").replace("signing_secret:", "token:"))
    assert ":7: channels[0].secrets.token: This is wrong: " in told
    assert FIRST not in told
