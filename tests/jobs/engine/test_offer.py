"""What a worker takes, and what it says when it does not."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from jobs.engine.offer import Offer
from jobs.reasons import say
from jobs.states import WaitReason

BUSY = say(WaitReason.NODE_BUSY, "node_busy.cpu", worker="w1", percent=93, limit=80)


@dataclass(kw_only=True)
class Wanted:
    kind: str = "shell"
    requires: list[str] = field(default_factory=list)
    needs_driver: str = ""
    needs_memory: int = 0
    needs_cpu: float = 0


def offer(**fields: Any) -> Offer:
    values: dict[str, Any] = {
        "name": "w1",
        "kinds": {"shell", "sql"},
        "capabilities": {"shell", "sql", "driver:sqlite", "gpu"},
    }
    return Offer(**{**values, "total_memory": 1000, "free_memory": 600, "total_cpu": 2, "free_cpu": 1.5, **fields})


def test_a_plain_job_is_taken():
    assert offer().refusal(Wanted()) is None


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        (Wanted(kind="http"), WaitReason.NO_CAPABLE_WORKER, "kind “http”"),
        (Wanted(kind="sql", needs_driver="mysql"), WaitReason.NO_CAPABLE_WORKER, "lacks driver:mysql"),
        (Wanted(requires=["gpu", "dmz"]), WaitReason.NO_CAPABLE_WORKER, "lacks dmz"),
        (Wanted(needs_memory=1001), WaitReason.NO_CAPABLE_WORKER, "1001 MiB"),
        (Wanted(needs_cpu=4), WaitReason.NO_CAPABLE_WORKER, "4 cores"),
        (Wanted(needs_memory=601), WaitReason.NODE_BUSY, "all but 600 of its 1000 MiB"),
        (Wanted(needs_cpu=1.6), WaitReason.NODE_BUSY, "all but 1.5 of its cores"),
    ],
)
def test_what_is_lacking_is_named_with_its_figures(wanted, code, words):
    reason = offer().refusal(wanted)
    assert reason is not None
    assert reason.code == code
    assert words in reason.text


def test_what_the_worker_has_is_enough():
    assert offer().refusal(Wanted(kind="sql", needs_driver="sqlite", requires=["gpu"], needs_memory=600)) is None


def test_a_busy_machine_takes_nothing_more():
    assert offer(gate=BUSY, running=1).refusal(Wanted()) == BUSY


def test_an_idle_worker_on_a_busy_machine_takes_one_run_and_no_second():
    idle = offer(gate=BUSY)
    assert idle.refusal(Wanted()) is None
    assert idle.less(Wanted()).refusal(Wanted()) == BUSY


def test_a_run_that_has_waited_long_goes_through_a_shut_gate():
    shut = offer(gate=BUSY, running=1, longest_wait=timedelta(minutes=10))
    assert shut.refusal(Wanted(), waited=timedelta(minutes=9)) == BUSY
    assert shut.refusal(Wanted(), waited=timedelta(minutes=10)) is None


def test_promised_memory_is_never_promised_twice_however_long_a_run_waits():
    left = offer().less(Wanted(needs_memory=400))
    assert left.free_memory == 200
    reason = left.refusal(Wanted(needs_memory=300), waited=timedelta(days=1))
    assert reason is not None
    assert reason.code == WaitReason.NODE_BUSY


def test_tenths_of_a_core_add_up():
    left = offer(free_cpu=0.3).less(Wanted(needs_cpu=0.1)).less(Wanted(needs_cpu=0.1))
    assert left.refusal(Wanted(needs_cpu=0.1)) is None


def test_a_worker_that_counts_nothing_refuses_for_no_figure():
    blank = offer(total_memory=None, free_memory=None, total_cpu=None, free_cpu=None)
    assert blank.refusal(Wanted(needs_memory=10**6, needs_cpu=64)) is None
