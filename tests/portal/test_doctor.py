"""`doctor` answers every question and says what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from alerts.models import OfficeTurn
from portal import diagnosis
from portal.celery import app
from portal.diagnosis import Finding

pytestmark = pytest.mark.django_db


def run_doctor(*arguments: str) -> tuple[int, str]:
    output = StringIO()
    try:
        call_command("doctor", *arguments, stdout=output)
    except SystemExit as end:
        return int(end.code or 0), output.getvalue()
    return 0, output.getvalue()


def test_every_problem_comes_with_advice_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_url", "memory://")
    code, text = run_doctor()
    assert code == 1
    assert "✗ Workers" in text and "→ Start one: celery -A portal worker" in text
    assert "✓ Database" in text and "✓ Migrations" in text and "✓ Clock" in text


@pytest.mark.parametrize(
    ("minutes", "words"), [(None, "nobody has worked in it yet"), (3, "nobody has done consume since")]
)
def test_a_post_office_without_people_is_a_problem(minutes: int | None, words: str) -> None:
    if minutes is not None:
        OfficeTurn.objects.create(name="consume", at=timezone.now() - timedelta(minutes=minutes))
    [finding] = diagnosis.post_office()
    assert not finding.ok
    assert words in finding.detail


def test_a_post_office_at_work_is_fine() -> None:
    OfficeTurn.objects.create(name="consume", at=timezone.now())
    assert [finding.ok for finding in diagnosis.post_office()] == [True]


def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_url", "memory://")
    code, text = run_doctor("--json")
    answer = json.loads(text)
    assert code == 1 and answer["ok"] is False
    assert all(one["advice"] for one in answer["findings"] if not one["ok"])


def test_all_well_exits_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = Finding(name="Python", ok=True, detail="3")
    monkeypatch.setattr(diagnosis, "QUESTIONS", (lambda: iter([fine]),))
    assert run_doctor() == (0, "✓ Python  3\n\nAll is well.\n")


def test_a_question_that_fails_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("no luck")

    fine = Finding(name="Python", ok=True, detail="3")
    monkeypatch.setattr(diagnosis, "QUESTIONS", (broken, lambda: iter([fine])))
    found = diagnosis.diagnose()
    assert [one.ok for one in found] == [False, True]
    assert "no luck" in found[0].detail


def test_a_damaged_key_is_found(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = ["damaged"]
    assert [one.detail for one in diagnosis.encryption_keys()] == ["a key is damaged"]


def test_the_databases_clock_is_read_as_an_instant() -> None:
    assert abs((diagnosis.database_now() - timezone.now()).total_seconds()) < 5


@pytest.mark.ledger("postgresql")
def test_a_server_that_never_cleans_up_is_found() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW autovacuum")
        (state,) = cursor.fetchone()
    [found] = [one for one in diagnosis.database() if one.name == "Autovacuum"]
    assert (found.ok, found.detail) == (state == "on", state)


@pytest.mark.ledger("postgresql", "mysql")
def test_a_server_that_cannot_share_the_work_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def row_locks() -> Finding:
        [found] = [one for one in diagnosis.database() if one.name == "Row locks"]
        return found

    assert row_locks().ok
    monkeypatch.setattr(connection.features, "has_select_for_update_skip_locked", False)
    assert (row_locks().ok, row_locks().detail) == (False, "SKIP LOCKED is missing")
