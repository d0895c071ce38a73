"""Calls of an incoming webhook: let in once, refused with a bare answer, and all of them kept."""

import json
import time
from datetime import timedelta
from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership
from alerts import hooks
from alerts.models import HookCall, IncomingHook
from alerts.signing import hook_signature
from jobs.models import Freeze, Run
from tests.jobs import rows

pytestmark = pytest.mark.django_db
SECRETS: dict[UUID, str] = {}  # in clear, by the key of the webhook
PARAMS = [{"name": "day", "type": "date"}, {"name": "id", "type": "int"}]


@pytest.fixture
def maker(db):
    return rows.user("maker", "admin")


@pytest.fixture
def hook(maker):
    job = rows.job("report")
    job.revision = rows.revision(job, 2, run_params=PARAMS)
    job.save()
    made = IncomingHook(tenant=job.tenant, name="From the shop", job=job, created_by=maker)
    made.param_map = {"day": "order.day", "id": "items.0.id"}
    SECRETS[made.key] = hooks.save_hook(made, actor=maker)
    return made


def call(hook, body=b'{"order": {"day": "2026-01-31"}, "items": [{"id": 7}]}', *, secret=None, at=None, **headers):
    stamp = str(int(time.time() if at is None else at))
    signature = hook_signature(secret or SECRETS[hook.key], stamp, body)
    given = {"X-Portal-Timestamp": stamp, "X-Portal-Signature": signature, **headers}
    url = reverse("hook_call", args=[hook.key])
    return Client().post(url, body, content_type="application/json", headers=given)


def test_a_signed_call_starts_the_job_with_its_parameters(hook) -> None:
    answer = call(hook)
    run = Run.objects.get()
    assert (answer.status_code, answer.json()) == (202, {"run": run.pk})
    assert run.params == {"day": "2026-01-31", "id": 7}
    kept = HookCall.objects.get()
    assert (kept.is_accepted, kept.run_id, kept.why) == (True, run.pk, "")
    hook.refresh_from_db()
    assert hook.last_call_at == kept.at


def test_the_same_call_starts_one_run(hook) -> None:
    at = time.time()
    assert [call(hook, at=at).status_code for _each in range(2)] == [202, 409]
    assert Run.objects.count() == 1
    assert [one.is_accepted for one in HookCall.objects.order_by("pk")] == [True, False]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("secret", "signature is wrong"),
        ("old", "away from this machine's time"),
        ("future", "away from this machine's time"),
        ("unsigned", "sign it"),
        ("off", "switched off"),
    ],
)
def test_what_is_refused_learns_nothing_and_is_kept(hook, kind, words) -> None:
    if kind == "off":
        IncomingHook.objects.update(is_enabled=False)
    answer = {
        "secret": lambda: call(hook, secret="x" * 40),
        "old": lambda: call(hook, at=time.time() - 301),
        "future": lambda: call(hook, at=time.time() + 302),
        "unsigned": lambda: call(hook, **{"X-Portal-Signature": ""}),
        "off": lambda: call(hook),
    }[kind]()
    nobody = Client().post("/hooks/00000000-0000-0000-0000-000000000000/", b"{}", content_type="application/json")
    assert answer.status_code == nobody.status_code == 401
    assert answer.json() == nobody.json()
    assert words in HookCall.objects.get().why
    assert Run.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[" * 100_000, 400),
        (b'{"order": {"day": NaN}}', 400),
        (b'{"items": [{"id": 1e999}]}', 400),
        (b'{"order": {"day": "soon"}}', 422),
        (b'{"order": {"day": {"a": 1}}}', 422),
        (b'{"items": "text"}', 202),
        (b"{}", 202),
    ],
)
def test_parameters_are_read_from_the_body_and_checked(hook, body, status) -> None:
    answer = call(hook, body)
    assert answer.status_code == status, answer.content
    assert Run.objects.count() == (status == 202)
    assert HookCall.objects.get().is_accepted == (status == 202)


def test_a_body_that_is_too_large_is_not_taken(hook) -> None:
    assert call(hook, b" " * (hooks.LARGEST_BODY + 1)).status_code == 413
    assert HookCall.objects.count() == 0


def test_a_flood_is_stopped_and_fills_no_table(hook, monkeypatch) -> None:
    monkeypatch.setattr(hooks, "MOST_CALLS", 3)
    for number in range(1, 7):
        answer = call(hook, at=time.time() - number)
    assert HookCall.objects.count() == 3
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    HookCall.objects.update(at=timezone.now() - timedelta(minutes=2))
    assert call(hook).status_code == 202


def test_wrong_signatures_shut_nobody_out_and_are_bounded(hook, monkeypatch) -> None:
    monkeypatch.setattr(hooks, "MOST_CALLS", 3)
    for _time in range(6):
        assert call(hook, secret="w" * 43).status_code == 401
    assert HookCall.objects.count() == 3
    assert call(hook).status_code == 202


def test_good_calls_do_not_hide_wrong_ones(hook, monkeypatch) -> None:
    monkeypatch.setattr(hooks, "MOST_CALLS", 1)
    assert call(hook).status_code == 202
    call(hook, secret="w" * 43)
    assert HookCall.objects.filter(is_accepted=False).count() == 1


def test_only_post_is_answered(hook) -> None:
    assert Client().get(reverse("hook_call", args=[hook.key])).status_code == 405


def test_who_made_it_must_still_be_able_to_run_the_job(hook, maker) -> None:
    Membership.objects.filter(user=maker).update(role="viewer")
    assert call(hook).status_code == 409
    assert "may not run the job" in HookCall.objects.get().why


def test_a_frozen_or_deleted_job_is_not_started(hook, maker) -> None:
    now = timezone.now()
    Freeze.objects.create(
        tenant=hook.tenant, name="F", reason="R", starts_at=now - timedelta(hours=1), created_by=maker
    )
    answer = call(hook)
    assert answer.status_code in (202, 409)
    hook.job.archived_at = now
    hook.job.save()
    assert call(hook, at=time.time() - 5).status_code == 401


def test_the_secret_is_sealed_and_a_new_one_makes_the_old_one_worthless(hook, maker) -> None:
    old = SECRETS[hook.key]
    assert old not in hook.secret_encrypted
    SECRETS[hook.key] = hooks.renew_secret(hook, actor=maker)
    assert call(hook, secret=old).status_code == 401
    assert call(hook, at=time.time() - 5).status_code == 202


def test_who_may_not_change_it_gets_no_secret(hook) -> None:
    with pytest.raises(PermissionDenied):
        hooks.renew_secret(hook, actor=rows.user("viewer", "viewer"))


def test_a_place_in_the_body_may_be_anywhere() -> None:
    body = json.dumps({"a": [{"b": 1}, {"c": {"d": "x"}}]}).encode()
    found = hooks.read_params({"one": "a.0.b", "two": "a.1.c.d", "three": "a.5", "four": "z.y", "five": "a.x"}, body)
    assert found == {"one": 1, "two": "x"}
