"""Beat is killed for a while: one notice, one outage, and one click runs what was missed."""

from __future__ import annotations

import json
import time

import pytest

from tests.stack import Stack, wait_for

pytestmark = pytest.mark.stack
QUICK = {"PORTAL_SILENCE_SECONDS": "4", "PORTAL_HEARTBEAT_SECONDS": "1", "PORTAL_SWEEP_SECONDS": "1"}

ONLY_MISS = """
from datetime import timedelta
from jobs.models import Schedule
Schedule.objects.update(misfire="skip", grace=timedelta(seconds=3))
"""

LEDGER = """
import json
from jobs import backfills, dbclock, fireledger, outages
from jobs.models import Job, Outage, Run, Schedule
from jobs.queries.fireledger import Period, fire_ledger
from datetime import timedelta
now = dbclock.now()
period = Period(since=now - timedelta(hours=1), until=now)
ledger = fire_ledger(Run.objects.all(), Schedule.objects.all(), period, now=now)
blamed = fireledger.blame(ledger, outages.during(period.since, period.until), now=now)
print(json.dumps({
    "counts": dict(ledger.counts), "expected": ledger.expected, "listed": len(ledger.moments),
    "blamed": [each.count for each in blamed], "headline": fireledger.headline(ledger, blamed),
}))
"""

CLICK = """
from django.conf import settings
settings.ALLOWED_HOSTS = ["testserver"]
from django.test import Client
from django.urls import reverse
from accounts.models import User
from jobs.models import Backfill, Job
root = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})[0]
client = Client()
client.force_login(root)
notice = client.get(reverse("admin:jobs_job_changelist")).content.decode()
address = reverse("admin:jobs_job_missed", args=[Job.objects.get().pk])
client.post(address)
client.post(address)
print(notice.count("Schedules did not fire from"), Backfill.objects.count(), Backfill.objects.first().total_count)
"""


@pytest.fixture
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder, None, **QUICK) as made:
        yield made


def ledger(stack: Stack) -> dict:
    return dict(json.loads(stack.shell(LEDGER).splitlines()[-1]))


@pytest.mark.parametrize("minutes", [0, pytest.param(10, marks=[pytest.mark.faults, pytest.mark.slow])])
def test_beat_is_killed_and_comes_back(stack, minutes):
    stack.add_jobs({"slug": "often", "kind": "shell", "params": {"script": "true"}, "every": "1s", "overlap": "allow",
                    "overlap_limit": 20})  # fmt: skip
    stack.shell(ONLY_MISS)
    stack.start_worker("w1")
    stack.start_worker("w2")
    stack.start_beat()
    wait_for(lambda: stack.value("SELECT count(*) FROM jobs_run WHERE status = 'succeeded'") >= 3, "a few runs")

    stack.kill("beat")
    wait_for(lambda: stack.value("SELECT count(*) FROM jobs_outage"), "the notice")
    assert stack.value("SELECT subject FROM jobs_outage") == "beat"
    silent = stack.manage("watchdog", "--once", check=False)
    assert silent.returncode == 1
    assert "Schedules have not fired since" in silent.stderr
    time.sleep(minutes * 60)

    stack.start_beat("beat2")
    wait_for(lambda: stack.value("SELECT count(*) FROM jobs_outage WHERE ended_at IS NOT NULL"), "the end of it")
    assert stack.value("SELECT count(*) FROM jobs_outage") == 1
    found = wait_for(lambda: (now := ledger(stack))["counts"].get("missed") and now, "the missed moments")
    assert found["expected"] == found["listed"] == sum(found["counts"].values())
    assert "unaccounted" not in found["counts"]
    assert found["counts"]["missed"] >= minutes * 60 - 10
    assert 0 < found["blamed"][0] <= found["counts"]["missed"] + found["counts"].get("undecided", 0)
    assert "Scheduler silent" in found["headline"]

    stack.manage("collectstatic", "--noinput", "-v0")
    notices, backfills, instants = stack.shell(CLICK).splitlines()[-1].split()
    assert (notices, backfills) == ("1", "1")
    assert int(instants) >= found["counts"]["missed"]
    done = "SELECT count(*) FROM jobs_run WHERE origin = 'backfill' AND status = 'succeeded'"
    wait_for(lambda: stack.value(done) == int(instants), "what was missed to be run")
    wait_for(lambda: stack.value("SELECT state FROM jobs_backfill") == "done", "the end of the backfill")
    stack.stop("beat2")
    stack.check_ledger()
