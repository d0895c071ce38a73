"""The audit trail shows when it was touched."""

import pytest
from django.core.management import CommandError, call_command

from accounts import audit
from accounts.models import AuditEntry
from tests.cast import make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def trail():
    cast = make_cast("acme")
    return [audit.record("test.deed", actor=cast.owner, target=cast.tenant, details={"n": n}) for n in range(3)]


def test_an_untouched_trail_is_intact(trail):
    assert list(audit.broken_entries()) == []
    call_command("verify_audit")


def test_a_changed_entry_is_found(trail):
    AuditEntry.objects.filter(pk=trail[1].pk).update(summary="nothing happened")
    assert [pk for pk, _reason in audit.broken_entries()] == [trail[1].pk]


def test_a_removed_entry_is_found(trail):
    AuditEntry.objects.filter(pk=trail[1].pk).delete()
    assert [pk for pk, _reason in audit.broken_entries()] == [trail[2].pk]


def test_the_command_fails_on_a_broken_trail(trail):
    AuditEntry.objects.filter(pk=trail[0].pk).update(verb="test.other")
    with pytest.raises(CommandError):
        call_command("verify_audit")
