"""The demo: made once, complete, and left alone afterwards."""

from __future__ import annotations

import logging
import sqlite3
import stat
from datetime import date

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from accounts.models import AuditEntry, Membership, User
from jobs.models import Job, Schedule
from portal.demo.shop import make_shop
from portal.supervisor import prepare


@pytest.fixture
def data(settings, tmp_path, db):
    settings.DATA_DIR = tmp_path
    settings.PORTAL_SQLITE_ROOTS = [tmp_path / "files"]
    settings.LANGUAGE_CODE = "en"
    call_command("seed_demo", verbosity=0)
    return tmp_path


def logins(folder):
    return [line.split() for line in (folder / "credentials.txt").read_text().splitlines()]


def test_every_log_in_works_and_the_file_is_private(data):
    rows = logins(data)
    assert len(rows) == 9
    assert all(authenticate(username=name, password=password) for name, password, _role, _tenant in rows)
    assert stat.S_IMODE((data / "credentials.txt").stat().st_mode) == 0o600


def test_each_team_has_a_user_per_role(data):
    assert Membership.objects.filter(tenant__slug="demo").count() == 4
    assert Membership.objects.filter(tenant__slug="acme").count() == 4


def test_shop_has_orders_up_to_today_and_refunds(data):
    with sqlite3.connect(data / "files" / "demo" / "shop.sqlite3") as database:
        orders, days = database.execute("SELECT count(*), count(DISTINCT date(ordered_at)) FROM orders").fetchone()
        refunds = database.execute("SELECT count(*) FROM refunds WHERE amount_cents >= 30000").fetchone()[0]
    assert orders > 2000
    assert days == 60
    assert refunds > 0


def test_every_kind_of_job_is_there_published_and_scheduled(data):
    jobs = Job.objects.filter(tenant__slug="demo")
    assert {job.kind for job in jobs} == {"python", "shell", "sql", "http"}
    assert all(job.revision is not None for job in jobs)
    assert all(job.schedules.filter(next_fire_at__isnull=False).exists() for job in jobs)


def test_second_time_changes_nothing(data):
    Job.objects.get(slug="disk-check", tenant__slug="acme").schedules.all().delete()
    before = (logins(data), Schedule.objects.count(), User.objects.count())
    call_command("seed_demo", verbosity=0)
    assert (logins(data), Schedule.objects.count(), User.objects.count()) == before


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_demo_speaks_the_language_of_the_installation(settings, tmp_path, db, language):
    settings.DATA_DIR, settings.PORTAL_SQLITE_ROOTS, settings.LANGUAGE_CODE = tmp_path, [tmp_path / "files"], language
    call_command("seed_demo", verbosity=0)
    assert Job.objects.get(slug="daily-revenue").name == {"en": "Daily revenue", "zh-hans": "每日营收汇总"}[language]


def test_the_first_start_shows_its_own_lines_only(settings, tmp_path, transactional_db, caplog):
    """What was made is in the audit trail; a line for each would hide the log-ins."""
    settings.DATA_DIR, settings.PORTAL_SQLITE_ROOTS, settings.PORTAL_DEMO = tmp_path, [tmp_path / "files"], True
    caplog.set_level(logging.INFO)
    said: list[str] = []
    prepare.seed_demo(said.append)
    assert len(said) == 1
    assert AuditEntry.objects.exists()
    assert [record.getMessage() for record in caplog.records if record.name == "accounts.audit"] == []


def test_same_day_gives_the_same_shop():
    day = date(2026, 11, 20)
    assert make_shop(day, "en") == make_shop(day, "en")
