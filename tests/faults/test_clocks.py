"""A worker or a beat whose clock is an hour off changes nothing: the database's clock decides."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests import services
from tests.faults import wrongclock
from tests.servers import MissingError
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.faults]
HOUR = 3600
SHORT_LEASE = {"PORTAL_LEASE_SECONDS": "12", "PORTAL_HEARTBEAT_SECONDS": "2", "PORTAL_SWEEP_SECONDS": "1"}


@pytest.fixture(params=[HOUR, -HOUR], ids=["ahead", "behind"])
def wrong(request, tmp_path_factory):
    """Variables of a process with a wrong clock; that they work is looked at first."""
    try:
        environ = wrongclock.environ(tmp_path_factory.mktemp("clock"), request.param)
    except MissingError as error:
        if services.is_set("REQUIRE_SERVICES"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    ask = [sys.executable, "-c", "import datetime, time; print(datetime.datetime.now().timestamp() + time.time())"]
    told = subprocess.run(ask, env=os.environ | environ, capture_output=True, text=True, check=True).stdout
    assert abs(float(told) / 2 - time.time() - request.param) < 60
    return environ


@pytest.mark.environ(**SHORT_LEASE)
def test_workers_with_wrong_clocks_run_each_run_once_and_keep_their_leases(stack, witness, wrong):
    stack.add_jobs(
        witness.job("often", every="1s", overlap="allow", overlap_limit=50),
        witness.job("long", 16),
    )
    stack.start_worker("w1", **wrong)
    stack.start_worker("w2")
    stack.start_beat()
    runs = stack.request("long")
    wait_for(lambda: stack.status_of(runs[0]) == "succeeded", "the long run")
    wait_for(lambda: len(witness.starts()) >= 10, "fire times")
    assert len(witness.starts()) == len(set(witness.starts()))
    assert stack.count("lost") == 0


@pytest.mark.environ(**SHORT_LEASE)
def test_a_worker_with_a_wrong_clock_that_is_alone_gets_work_too(stack, witness, wrong):
    stack.add_jobs(witness.job("often", every="1s", overlap="allow", overlap_limit=50))
    stack.start_worker("w1", **wrong)
    stack.start_beat()
    wait_for(lambda: len(witness.starts()) >= 4, "fire times")
    lag = "SELECT started_at, created_at FROM jobs_run WHERE started_at IS NOT NULL"
    assert stack.rows(lag)


@pytest.mark.environ(**SHORT_LEASE)
def test_a_beat_with_a_wrong_clock_fires_at_the_right_moments(stack, witness, wrong):
    stack.add_jobs(witness.job("often", every="1s", overlap="allow", overlap_limit=50))
    stack.start_worker()
    stack.start_beat("beat1", **wrong)
    stack.start_beat("beat2")
    wait_for(lambda: len(witness.starts()) >= 6, "fire times")
    assert len(witness.starts()) == len(set(witness.starts()))
    assert stack.count("missed", "skipped") == 0
