"""Celery's processes know what they are, and carry no pages until they ask for an address."""

from __future__ import annotations

import subprocess
import sys

import pytest

from portal.processes import celery_service
from tests.source import ROOT

PROBE = """
import sys
sys.argv = {argv!r}
import portal.celery, django
django.setup()
print("openpyxl" in sys.modules, "unfold.admin" in sys.modules)
from django.urls import reverse
print(reverse("admin:jobs_job_changelist"))
"""
BEAT = ["/x/celery/__main__.py", "-A", "portal", "beat"]


@pytest.mark.parametrize(
    ("argv", "service"),
    [
        (BEAT, "beat"),
        (["/venv/bin/celery", "-A", "portal", "worker", "-Q", "beat"], "worker"),
        (["/x/celery/__main__.py", "-A", "portal", "inspect"], ""),
        (["manage.py", "beat"], ""),
        (["/venv/bin/gunicorn", "portal.wsgi:application"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_a_process_knows_what_it_is(argv: list[str], service: str) -> None:
    assert celery_service(argv) == service


@pytest.mark.parametrize(("argv", "has_pages"), [(BEAT, "False False"), (["manage.py", "shell"], "True True")])
def test_a_beat_has_no_pages_until_it_asks_for_an_address(argv: list[str], has_pages: str) -> None:
    command = [sys.executable, "-c", PROBE.format(argv=argv)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [has_pages, "/admin/jobs/job/"], done.stderr
