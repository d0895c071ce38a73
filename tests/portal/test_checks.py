"""The checks of an installation refuse what must not start in production."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from portal import checks
from tests.places import migrated_file
from tests.source import ROOT


@pytest.fixture(autouse=True)
def production(settings: Any) -> None:
    settings.ENVIRONMENT = "production"
    settings.SECRET_KEY = "x1" * 30
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    settings.CELERY_BROKER_URL = "redis://:word@broker.example.com:6379/0"
    settings.DEBUG = False


def ids() -> list[str | None]:
    found = [*checks.check_keys(), *checks.check_debug(), *checks.check_hosts(), *checks.check_broker()]
    found += checks.check_failpoints()
    return [one.id for one in found]


def test_a_careful_installation_passes() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY", "short", "portal.E001"),
        ("FIELD_ENCRYPTION_KEYS", [], "portal.E002"),
        ("FIELD_ENCRYPTION_KEYS", ["not-a-key"], "portal.E003"),
        ("DEBUG", True, "portal.E004"),
        ("ALLOWED_HOSTS", ["*"], "portal.E005"),
        ("CELERY_BROKER_URL", "redis://broker.example.com:6379/0", "portal.E006"),
        ("CELERY_BROKER_URL", "amqp://guest:guest@broker.example.com//", "portal.E006"),
    ],
)
def test_a_careless_setting_is_refused(settings: Any, name: str, value: Any, expected: str) -> None:
    setattr(settings, name, value)
    assert ids() == [expected]


def test_failpoints_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_FAILPOINTS", "tick.before_commit=kill")
    assert ids() == ["portal.E007"]


def test_the_key_in_the_source_is_refused(settings: Any) -> None:
    settings.SECRET_KEY = settings.INSECURE_KEY
    assert ids() == ["portal.E001"]


def test_a_laptop_may_do_without(settings: Any) -> None:
    settings.ENVIRONMENT = "development"
    settings.SECRET_KEY = settings.INSECURE_KEY
    settings.FIELD_ENCRYPTION_KEYS = []
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.DEBUG = True
    assert ids() == []


def test_debug_on_a_public_address_is_refused_even_in_development(settings: Any) -> None:
    settings.ENVIRONMENT = "development"
    settings.DEBUG = True
    assert ids() == ["portal.E004"]


@pytest.mark.stack
@pytest.mark.parametrize(
    "command",
    [
        ["celery", "-A", "portal", "worker", "--pool=threads"],
        ["celery", "-A", "portal", "beat"],
        ["gunicorn", "portal.wsgi:application", "--bind", "127.0.0.1:0", "--no-control-socket"],
    ],
    ids=["worker", "beat", "web"],
)
def test_no_process_starts_in_production_with_the_key_of_the_source(command: list[str], tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PORTAL_ENVIRONMENT": "production", "DATA_DIR": str(tmp_path)}
    environ["CELERY_BROKER_URL"] = "memory://"
    environ["DATABASE_URL"] = f"sqlite:///{migrated_file(tmp_path.parent)}"
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "The portal refuses to start." in done.stdout + done.stderr
    assert "SECRET_KEY is the one from the source code" in done.stdout + done.stderr
