"""Much at once: due schedules, claims on one job, a quota, a locked table, eight writers on one file."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from tests.stack import ROOT, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.faults]

MANY_SCHEDULES = """
from datetime import timedelta
from jobs import dbclock
from jobs.models import Job, Schedule
now = dbclock.now()
jobs = list(Job.objects.all())
rows = [
    Schedule(tenant_id=jobs[0].tenant_id, job=jobs[n % len(jobs)], kind="interval", expression="12h", timezone="UTC",
             anchor_at=now - timedelta(hours=12), cursor_at=now - timedelta(minutes=1),
             counted_from_at=now - timedelta(minutes=1), next_fire_at=now)
    for n in range(10_000)
]
Schedule.objects.bulk_create(rows, batch_size=1000)
"""

CLAIMS = """
import json, threading
from datetime import timedelta
from uuid import uuid4
from django.db import connection
from jobs import dbclock
from jobs.engine.claim import claim
from jobs.engine.offer import Offer
from jobs.models import Job, WorkerNode
from jobs.runs import create_run

now = dbclock.now()
job = Job.objects.get(slug="one")
for _ in range(60):
    create_run(job, origin="manual")
nodes = [
    WorkerNode.objects.create(uuid=uuid4(), name=f"thread{n}", slot=f"thread{n}", host="nowhere", pid=1, capacity=1,
                              queues=["default"], capabilities=["shell"], started_at=now, last_seen_at=now)
    for n in range(50)
]
start, taken, errors = threading.Barrier(50), [], []
def take(node):
    try:
        start.wait()
        offer = Offer(slot=node.slot, kinds=frozenset(["shell"]))
        taken.extend(each.run.pk for each in claim(node, "default", offer=offer, lease=timedelta(seconds=5), count=2))
    except Exception as error:
        errors.append(repr(error))
    finally:
        connection.close()
threads = [threading.Thread(target=take, args=(node,)) for node in nodes]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([taken, errors]))
"""


def test_10_000_schedules_due_in_one_second_have_a_row_each(stack, witness):
    stack.add_jobs(*(witness.job(f"crowd-{n}") for n in range(100)))
    stack.shell(MANY_SCHEDULES, timeout=300)
    stack.start_beat("beat1")
    stack.start_beat("beat2")
    wait_for(lambda: stack.count() >= 10_000, "a row for each", seconds=300)
    assert stack.count() == 10_000
    stack.start_worker()
    wait_for(stack.is_quiet, "quiet", seconds=180)
    assert len(witness.starts()) == len(set(witness.starts())) == stack.count("succeeded")
    assert stack.count("succeeded") + stack.count("skipped") == 10_000


@pytest.mark.environ(PORTAL_LEASE_SECONDS="12", PORTAL_HEARTBEAT_SECONDS="2", PORTAL_SWEEP_SECONDS="1")
@pytest.mark.parametrize(
    ("overlap", "limit", "most"),
    [("skip", 1, 1), ("queue", 100, 1), ("allow", 3, 3), ("cancel_previous", 1, 1)],
)
def test_50_claims_at_once_take_no_more_than_the_overlap_policy_allows(stack, witness, overlap, limit, most):
    stack.add_jobs(witness.job("one", overlap=overlap, overlap_limit=limit))
    taken, errors = json.loads(stack.shell(CLAIMS, timeout=300))
    assert not errors
    assert len(taken) == len(set(taken)) == most
    assert stack.count("running") == most


def test_a_quota_of_2_with_200_queued_never_runs_more_than_2_and_all_of_them(stack, witness):
    stack.add_jobs(*(witness.job(f"many-{n}", 0.25, overlap="allow", overlap_limit=100) for n in range(2)))
    stack.shell("from tests.stackrows import limit_running; limit_running(2)")
    runs = stack.request("many-0", 100) + stack.request("many-1", 100)
    stack.start_worker("w1")
    stack.start_worker("w2")
    wait_for(stack.is_quiet, "all of them", seconds=400)
    assert sorted(witness.starts()) == sorted(runs)
    assert witness.most_at_once() <= 2


LOCKS = {
    "sqlite": ["BEGIN EXCLUSIVE"],
    "postgres": ["BEGIN", "LOCK TABLE jobs_run, jobs_attempt IN ACCESS EXCLUSIVE MODE"],
    "mariadb": ["LOCK TABLES jobs_run WRITE, jobs_attempt WRITE"],
}


def test_a_table_that_is_locked_for_seconds_delays_and_loses_nothing(stack, witness):
    stack.add_jobs(witness.job("often", every="1s", overlap="allow", overlap_limit=50), witness.job("long", 3))
    stack.start_worker()
    stack.start_beat()
    [run] = stack.request("long")
    wait_for(lambda: run in witness.starts() and len(witness.starts()) >= 3, "scripts")
    with closing(stack.place.connect()) as ledger:
        cursor = ledger.cursor()
        for statement in LOCKS[stack.place.name]:
            cursor.execute(statement)
        wait_for(lambda: ("end", 1) in witness.words(run), "the end of a script meanwhile")
        threading.Event().wait(4)  # the lock is held that long: this is the fault
        if stack.place.name == "mariadb":
            cursor.execute("UNLOCK TABLES")
    before = len(witness.starts())
    wait_for(lambda: stack.status_of(run) == "succeeded", "its result")
    wait_for(lambda: len(witness.starts()) >= before + 4, "what was due meanwhile")
    assert len(witness.starts()) == len(set(witness.starts()))
    assert stack.value(f"SELECT count(*) FROM jobs_attempt WHERE run_id = {run}") == 1


@pytest.mark.lanes("sqlite")
def test_sqlite_bears_eight_writers(stack, witness):
    stack.add_jobs(
        *(witness.job(f"often-{n}", every="1s", overlap="allow", overlap_limit=50) for n in range(3)),
        witness.job("asked", overlap="allow", overlap_limit=200),
    )
    for name in ("w1", "w2", "w3"):
        stack.start_worker(name, slots=4)
    stack.start_beat("beat1")
    stack.start_beat("beat2")
    ask = "from tests.stackrows import request; request('asked', 40)"
    asking = [
        subprocess.Popen([sys.executable, "manage.py", "shell", "-v0", "-c", ask], cwd=ROOT, env=stack.environ,
                         stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]  # fmt: skip
    asked = [run for client in asking for run in json.loads(client.communicate(timeout=300)[0])]
    wait_for(lambda: set(asked) <= set(witness.starts()), "what was asked for", seconds=180)
    assert len(witness.starts()) == len(set(witness.starts()))
    assert "locked" not in "".join(path.read_text() for path in stack.folder.glob("*.log"))
