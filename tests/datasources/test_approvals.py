"""A change that is too large waits for a second person, is used once, and its time runs out."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from datasources import approvals
from datasources.approvals import Change, DecisionRefusedError
from datasources.models import DataSource, WriteApproval
from datasources.states import TRANSITIONS, ApprovalStatus
from datasources.target import Allowance
from tests.cast import join, make_cast, make_user

pytestmark = pytest.mark.django_db
CHANGE = Change(statement="delete from items", values={"day": "1"}, purpose="nightly #7")


@pytest.fixture
def cast():
    return make_cast("acme")


@pytest.fixture
def source(cast):
    return DataSource.objects.create(tenant=cast.tenant, slug="shop", name="Shop", kind="sqlite", max_affected_rows=5)


@pytest.fixture
def asked(cast, source):
    return approvals.ask(source, CHANGE, actor=cast.editor, affected=48_210)


def verbs():
    return [entry.verb for entry in AuditEntry.objects.order_by("id")]


def test_asked_approved_used_once_and_audited(cast, source, asked):
    assert approvals.spend(source, CHANGE, actor=cast.editor) is None
    approvals.decide(asked, actor=cast.owner, approve=True)
    assert approvals.spend(source, CHANGE, actor=cast.editor) == Allowance(max_affected=48_210)
    assert approvals.spend(source, CHANGE, actor=cast.editor) is None
    asked.refresh_from_db()
    assert (asked.status, asked.decided_by, asked.used_for) == ("used", cast.owner, "nightly #7")
    assert verbs() == [f"datasources.write.{verb}" for verb in ("asked", "approved", "used")]


@pytest.mark.parametrize(
    "other",
    [
        Change(statement="delete from items ", values={"day": "1"}),
        Change(statement="delete from items", values={"day": "2"}),
        Change(statement="delete from other", values={"day": "1"}),
    ],
)
def test_an_approval_is_of_that_very_change(cast, source, asked, other):
    approvals.decide(asked, actor=cast.owner, approve=True)
    assert approvals.spend(source, other, actor=cast.editor) is None


def test_an_approval_is_of_that_very_place(cast, source, asked):
    approvals.decide(asked, actor=cast.owner, approve=True)
    source.params = {"path": "another.sqlite3"}
    source.save()
    assert approvals.spend(source, CHANGE, actor=cast.editor) is None


def test_nobody_approves_their_own(cast, source):
    mine = approvals.ask(source, CHANGE, actor=cast.owner, affected=9)
    with pytest.raises(DecisionRefusedError, match="second person"):
        approvals.decide(mine, actor=cast.owner, approve=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        WriteApproval.objects.filter(pk=mine.pk).update(decided_by=cast.owner)
    second = join(make_user("second"), cast.tenant, "admin")
    approvals.decide(mine, actor=second, approve=True)


@pytest.mark.parametrize("role", ["editor", "operator", "viewer"])
def test_deciding_needs_the_right_to_change_the_datasource(cast, source, role):
    made = approvals.ask(source, CHANGE, actor=None, affected=9)
    with pytest.raises(PermissionDenied):
        approvals.decide(made, actor=cast.members[role], approve=True)
    assert approvals.spend(source, CHANGE, actor=None) is None


def test_asking_needs_the_right_to_use_the_datasource(cast, source):
    with pytest.raises(PermissionDenied):
        approvals.ask(source, CHANGE, actor=cast.viewer, affected=9)


def test_what_was_refused_stays_refused(cast, source, asked):
    approvals.decide(asked, actor=cast.owner, approve=False)
    with pytest.raises(DecisionRefusedError):
        approvals.decide(asked, actor=cast.owner, approve=True)
    assert approvals.spend(source, CHANGE, actor=cast.editor) is None


def test_two_who_decide_at_once_do_not_both_decide(cast, source, asked):
    stale = WriteApproval.objects.get(pk=asked.pk)
    approvals.decide(asked, actor=cast.owner, approve=False)
    with pytest.raises(DecisionRefusedError, match="decided already"):
        approvals.decide(stale, actor=cast.owner, approve=True)
    assert WriteApproval.objects.get().status == "refused"


@pytest.mark.parametrize("approved", [True, False])
def test_its_time_runs_out(cast, source, asked, approved):
    if approved:
        approvals.decide(asked, actor=cast.owner, approve=True)
    WriteApproval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert approvals.spend(source, CHANGE, actor=cast.editor) is None
    asked.refresh_from_db()
    with pytest.raises(DecisionRefusedError):
        approvals.decide(asked, actor=cast.owner, approve=True)


def test_the_same_is_asked_once_and_another_number_anew(cast, source, asked):
    assert approvals.ask(source, CHANGE, actor=cast.editor, affected=48_210) == asked
    assert approvals.ask(source, CHANGE, actor=cast.editor, affected=50_000) != asked
    asked.refresh_from_db()
    assert asked.status == "refused"


def test_what_ran_out_is_asked_anew(cast, source, asked):
    WriteApproval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert approvals.ask(source, CHANGE, actor=cast.editor, affected=48_210) != asked


def test_every_status_has_its_transitions():
    assert set(TRANSITIONS) == set(ApprovalStatus)


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(client, asked):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return reverse("admin:datasources_writeapproval_change", args=[asked.pk])


def decide(client, asked, verdict="approve"):
    url = reverse("admin:datasources_writeapproval_decide", args=[asked.pk])
    return client.post(url, {"verdict": verdict}, follow=True)


def test_an_admin_reads_and_approves_it(client, cast, asked, page):
    client.force_login(cast.owner)
    text = client.get(page).content.decode()
    assert "delete from items" in text
    assert "It would change 48210 rows" in text.replace(",", "")
    assert "Approved" in decide(client, asked).content.decode()
    asked.refresh_from_db()
    assert asked.status == "approved"
    assert "Approve</button>" not in client.get(page).content.decode()


def test_an_admin_refuses_it(client, cast, asked, page):
    client.force_login(cast.owner)
    decide(client, asked, "refuse")
    asked.refresh_from_db()
    assert asked.status == "refused"


def test_an_editor_reads_it_and_may_not_decide(client, cast, asked, page):
    client.force_login(cast.editor)
    text = client.get(page).content.decode()
    assert "Only somebody who may change the datasource" in text
    assert "Approve</button>" not in text
    assert decide(client, asked).status_code == 403
    asked.refresh_from_db()
    assert asked.status == "pending"


def test_deciding_is_a_post_and_a_foreign_one_is_not_there(client, cast, asked, page):
    url = reverse("admin:datasources_writeapproval_decide", args=[asked.pk])
    client.force_login(cast.owner)
    assert client.get(url).status_code == 405
    client.force_login(make_cast("other").owner)
    assert client.post(url, {"verdict": "approve"}).status_code == 404
    assert client.get(page).status_code == 404
