"""Channels: the chosen kind's fields, secrets that are written and never shown, health, *Test*, and what needs them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from alerts.models import Channel, NotificationRule, RuleBook
from alerts.parcels import secrets_of
from portal.lib import crypto
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/channel/"
ADD = f"{LIST}add/"
SECRET = "a-signing-secret"


@pytest.fixture
def owner(as_role):
    return as_role("admin")


def posted(**fields):
    base = {"name": "Ticket system", "slug": "", "kind": "webhook", "language": "en", "is_active": "on"}
    base |= {"webhook_url": "https://example.com/hook", "webhook_verify_tls": "on", "webhook_timeout": "15s"}
    return {**base, **fields}


def errors_of(response):
    assert response.status_code == 200, "it was saved"
    return response.context["adminform"].form.errors


def made(client, **fields):
    response = client.post(ADD, posted(**fields))
    assert response.status_code == 302, errors_of(response)
    return Channel.objects.get(slug="ticket-system")


def change(client, channel, **fields):
    return client.post(f"{LIST}{channel.pk}/change/", posted(slug=channel.slug, **fields))


def test_a_secret_is_sealed_and_never_shown_and_kept_when_left_empty(owner) -> None:
    channel = made(owner, webhook_secret_signing_secret=SECRET, drill_every="1w")
    assert secrets_of(channel) == {"signing_secret": SECRET}
    assert channel.drill_every == timedelta(weeks=1)
    text = owner.get(f"{LIST}{channel.pk}/change/").content.decode()
    assert SECRET not in text
    assert "leave empty to keep it" in text
    assert change(owner, channel, name="Renamed").status_code == 302
    channel.refresh_from_db()
    assert (channel.name, secrets_of(channel)) == ("Renamed", {"signing_secret": SECRET})
    assert SECRET not in str(list(AuditEntry.objects.values_list("details", "summary")))
    assert RuleBook.objects.get().version == 2


def test_another_address_asks_for_the_secret_again(owner) -> None:
    channel = made(owner, webhook_secret_signing_secret=SECRET)
    moved = {"webhook_url": "https://elsewhere.example.com/"}
    assert "nter it again" in errors_of(change(owner, channel, **moved))["webhook_secret_signing_secret"][0]
    assert change(owner, channel, **moved, forget_secrets="on").status_code == 302
    channel.refresh_from_db()
    assert secrets_of(channel) == {}


def test_another_kind_keeps_no_secret_of_the_old_one(owner) -> None:
    channel = made(owner, webhook_secret_signing_secret=SECRET)
    fields = {"kind": "email", "email_recipients": "a@example.com", "email_encryption": "starttls",
              "email_verify_tls": "on", "email_timeout": "30s"}  # fmt: skip
    assert change(owner, channel, **fields).status_code == 302
    channel.refresh_from_db()
    assert (channel.kind, channel.params["recipients"], secrets_of(channel)) == ("email", ["a@example.com"], {})


def test_what_was_proven_of_another_address_proves_nothing(owner) -> None:
    channel = made(owner)
    Channel.objects.update(proven_at=timezone.now(), failing_since=timezone.now(), failure_count=3, problem={"a": 1})
    change(owner, channel, webhook_url="https://elsewhere.example.com/")
    channel.refresh_from_db()
    assert (channel.proven_at, channel.failing_since, channel.failure_count, channel.problem) == (None, None, 0, {})


def test_a_secret_of_a_lost_key_can_be_entered_again(owner, settings) -> None:
    channel = made(owner, webhook_secret_signing_secret=SECRET, webhook_secret_authorization="Bearer x")
    settings.FIELD_ENCRYPTION_KEYS = [crypto.generate_key()]
    assert owner.get(f"{LIST}{channel.pk}/change/").status_code == 200
    both = {"webhook_secret_signing_secret": SECRET, "webhook_secret_authorization": "Bearer y"}
    assert change(owner, channel, **both).status_code == 302
    channel.refresh_from_db()
    assert secrets_of(channel)["authorization"] == "Bearer y"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"webhook_url": "not an address"}, "webhook_url"),
        ({"webhook_url": ""}, "webhook_url"),
        ({"webhook_timeout": "soon"}, "webhook_timeout"),
        ({"webhook_secret_authorization": "a\nb"}, "webhook_secret_authorization"),
        ({"drill_every": "5m"}, "drill_every"),
        ({"kind": "nonsense"}, "kind"),
        ({"kind": "twilio"}, "twilio_account_sid"),
        ({"kind": "inbox"}, "inbox_roles"),
        ({"kind": "dingtalk"}, "dingtalk_secret_webhook_url"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(owner, fields, place) -> None:
    assert place in errors_of(owner.post(ADD, posted(**fields)))
    assert Channel.objects.count() == 0


def test_without_a_key_nothing_secret_is_saved(owner, settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = []
    found = errors_of(owner.post(ADD, posted(webhook_secret_signing_secret=SECRET)))
    assert "FIELD_ENCRYPTION_KEYS" in str(found)
    assert Channel.objects.count() == 0


def test_fallbacks_never_go_round_and_stay_in_the_tenant(owner) -> None:
    last = rows.channel("last")
    middle = rows.channel("middle", fallback=last)
    first = made(owner, fallback=middle.pk)
    response = owner.post(f"{LIST}{last.pk}/change/", posted(name="Last", slug="last", fallback=first.pk))
    assert "this channel" in errors_of(response)["fallback"][0]
    theirs = rows.channel("theirs", jobs.tenant("other"))
    assert "fallback" in errors_of(owner.post(ADD, posted(name="X", fallback=theirs.pk)))


# --- the list, the page, the test -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word", "found"),
    [
        ({"is_active": False}, "Off", "off"),
        ({}, "Never proven", "unproven"),
        ({"proven_at": timezone.now()}, "Works", "works"),
        (
            {"failing_since": timezone.now(), "problem": {"sentence": {"msgid": "There was no answer."}}},
            "Fails",
            "fails",
        ),
        ({"kind": "pager"}, "Unknown kind", "unproven"),
    ],
)
def test_the_list_says_how_well_a_channel_works(owner, fields, word, found) -> None:
    rows.channel("mail", **fields)
    assert word in owner.get(LIST).content.decode()
    assert len(owner.get(LIST, {"health": found}).context["cl"].result_list) == 1


def test_the_last_failure_is_told_on_the_page(owner) -> None:
    problem = {"sentence": {"msgid": "There was no answer within %(seconds)g seconds.", "seconds": 20}}
    channel = rows.channel(failing_since=timezone.now(), failure_count=3, problem=problem)
    text = owner.get(f"{LIST}{channel.pk}/change/").content.decode()
    assert "There was no answer within 20 seconds." in text
    assert "3 failures in a row" in text


def test_testing_says_what_came_back_and_shows_it_among_the_deliveries(owner) -> None:
    channel = rows.channel("inbox", kind="inbox", params={"roles": ["admin"]})
    answer = owner.post(f"{LIST}{channel.pk}/test/", follow=True)
    assert "The test message was delivered." in answer.content.decode()
    channel.refresh_from_db()
    assert channel.proven_at is not None
    assert channel.notifications.count() == 1


def test_who_may_not_change_a_channel_neither_tests_it_nor_sees_where_it_sends(editor) -> None:
    channel = rows.channel(params={"url": "https://internal.example.com/place"})
    assert editor.post(f"{LIST}{channel.pk}/test/").status_code == 403
    text = editor.get(f"{LIST}{channel.pk}/change/").content.decode()
    assert "internal.example.com" not in text
    assert editor.post(ADD, posted()).status_code == 403


def test_a_test_is_a_post(owner) -> None:
    assert owner.get(f"{LIST}{rows.channel().pk}/test/").status_code == 405


def test_a_channel_in_use_is_not_deleted_and_the_rules_are_named(owner) -> None:
    channel = rows.channel()
    rule = NotificationRule.objects.create(tenant=channel.tenant, name="Night failures", triggers=["lost"])
    rule.channels.set([channel])
    assert "Night failures" in owner.get(f"{LIST}{channel.pk}/delete/").content.decode()
    owner.post(f"{LIST}{channel.pk}/delete/", {"post": "yes"})
    assert Channel.objects.count() == 1
    owner.post(LIST, {"action": "delete_selected", "_selected_action": [channel.pk], "post": "yes"})
    assert Channel.objects.count() == 1
    rule.delete()
    owner.post(f"{LIST}{channel.pk}/delete/", {"post": "yes"})
    assert Channel.objects.count() == 0
    assert AuditEntry.objects.filter(verb="alerts.channel.deleted").count() == 1
