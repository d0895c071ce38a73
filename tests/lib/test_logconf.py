"""Every record says who, where and about what, as fields."""

from __future__ import annotations

import io
import json
import logging
import os

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse
from structlog.contextvars import get_contextvars

from accounts import audit
from accounts.middleware import CurrentTenantMiddleware
from jobs.engine import execute
from jobs.engine.worker import Worker
from portal.lib.logconf import about, configure
from tests.cast import make_platform_admin
from tests.jobs.engine import rows

log = logging.getLogger("tests.lib")


@pytest.fixture
def written():
    """The records as JSON objects, from the configuration that production has."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure(level="INFO", output="json")
    stream = io.StringIO()
    root.handlers[0].setStream(stream)  # type: ignore[attr-defined]
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)


def test_a_record_has_its_module_its_process_and_what_it_is_about(written):
    with about(run_id=7, job_id=3):
        log.info("Something was done.", extra={"count": 2})
    log.info("Something else.")
    inside, outside = written()
    assert inside["event"] == "Something was done."
    assert (inside["run_id"], inside["job_id"], inside["count"], inside["level"]) == (7, 3, 2, "info")
    assert inside["logger"] == "tests.lib"
    assert inside["instance"].endswith(f"/{os.getpid()}")
    assert "run_id" not in outside


@pytest.mark.django_db
def test_what_a_slot_logs_names_its_run_and_job(monkeypatch, settings, tmp_path):
    seen: list[dict[str, object]] = []
    run = rows.queued(rows.job())
    claimed = rows.take(rows.node())
    handed = [claimed, None]

    monkeypatch.setattr(execute, "_hand_in", lambda *args, **kwargs: handed.pop(0))

    def executed(*args: object) -> None:
        seen.append(dict(get_contextvars()))

    monkeypatch.setattr(execute, "execute", executed)
    settings.DATA_DIR = tmp_path
    execute.work(Worker(name="t", queues=["default"], capacity=1), "default")
    assert seen == [{"run_id": run.pk, "job_id": run.job_id, "attempt": 1}]


@pytest.mark.django_db(transaction=True)
def test_what_a_person_does_is_logged_with_the_person(written):
    admin = make_platform_admin()
    audit.record("jobs.run.requested", actor=admin, summary="nightly #1")
    [line] = [line for line in written() if line.get("verb") == "jobs.run.requested"]
    assert (line["event"], line["user_id"]) == ("Audited: jobs.run.requested", admin.pk)


@pytest.mark.django_db
def test_a_request_is_logged_with_its_user_and_never_with_the_key_of_the_session(written):
    admin, client = make_platform_admin(), Client()
    client.force_login(admin)
    request = client.get(reverse("admin:password_change")).wsgi_request

    def view(request: HttpRequest) -> HttpResponse:
        log.info("asked")
        return HttpResponse()

    CurrentTenantMiddleware(view)(request)
    [line] = [line for line in written() if line["event"] == "asked"]
    assert line["user_id"] == admin.pk
    assert len(line["session_id"]) == 12
    assert str(request.session.session_key) not in json.dumps(line)
    log.info("afterwards")
    assert "user_id" not in written()[-1]
