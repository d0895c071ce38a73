"""Workers lose the database one after the other, while everybody else has it."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.partition import wires
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.lanes("postgres", "mariadb")]


@pytest.mark.environ(PORTAL_LEASE_SECONDS="12", PORTAL_HEARTBEAT_SECONDS="2", PORTAL_SWEEP_SECONDS="1")
def test_two_workers_cut_off_one_after_the_other_never_run_the_same_run_at_once(stack, witness):
    stack.add_jobs(*(witness.job(f"long-{n}", 8) for n in range(4)))
    port = stack.place.database.port
    with wires(port, 2) as ways:
        for number, way in enumerate(ways, start=1):
            url = stack.environ["DATABASE_URL"].replace(f":{port}/", f":{way.port}/")
            stack.start_worker(f"w{number}", slots=4, DATABASE_URL=url)
        runs = [stack.request(f"long-{n}")[0] for n in range(4)]
        wait_for(lambda: len(witness.starts()) == 4, "the scripts")
        for cut, other in ((0, 1), (1, 0)):
            ways[cut].cut()
            wait_for(partial(is_free, stack, f"w{cut + 1}@"), "the take-over", seconds=90)
            ways[cut].mend()
            wait_for(partial(works_for, stack, f"w{other + 1}@"), "the other's work", seconds=90)
        wait_for(stack.is_quiet, "quiet", seconds=180)
        assert {stack.status_of(run) for run in runs} <= {"succeeded", "lost"}
        for name in ("w1", "w2"):
            stack.stop(name)  # their wires end here


def is_free(stack, worker: str) -> bool:
    """Nothing runs on the worker, as far as the ledger knows."""
    return not stack.value(f"{RUNNING} AND n.name LIKE '{worker}%'")


def works_for(stack, worker: str) -> bool:
    """Something runs on the worker, or there is nothing to do."""
    return bool(stack.value(f"{RUNNING} AND n.name LIKE '{worker}%'")) or stack.is_quiet()


RUNNING = "SELECT count(*) FROM jobs_run r JOIN jobs_workernode n ON n.id = r.worker_id WHERE r.status = 'running'"
