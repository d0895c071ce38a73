"""When a machine is too busy: measured over a while, opened again lower than it was shut."""

import os
import subprocess
from collections.abc import Sequence

import pytest

from jobs.engine.gate import Gate, Sample
from jobs.engine.machine import Meter, capabilities, cores, memory_bytes, own_used
from jobs.states import WaitReason


def gate() -> Gate:
    return Gate(worker="w1", cpu_limit=80, memory_limit=85)


def feed(to: Gate, cpu: Sequence[float], memory: float = 10, start: float = 100, step: float = 1) -> None:
    for number, percent in enumerate(cpu):
        to.observe(Sample(at=start + number * step, cpu=percent, memory=memory))


def test_a_moments_spike_shuts_nothing():
    made = gate()
    feed(made, [20] * 25 + [100] * 5)
    assert made.reason is None


def test_half_a_minute_of_load_shuts_it_and_says_how_much():
    made = gate()
    feed(made, [95] * 31)
    assert made.reason is not None
    assert made.reason.code == WaitReason.NODE_BUSY
    assert made.reason.text == "The machine of “w1” is busy: CPU at 95 %; it takes no more above 80 %."


def test_the_first_seconds_of_a_worker_decide_nothing():
    made = gate()
    feed(made, [100] * 10)
    assert made.reason is None


def test_it_opens_ten_points_lower_so_that_it_does_not_flap():
    made = gate()
    feed(made, [95] * 31)
    feed(made, [75] * 31, start=131)
    assert made.reason is not None
    feed(made, [65] * 31, start=162)
    assert made.reason is None


def test_memory_is_looked_at_over_a_few_seconds():
    made = gate()
    feed(made, [5] * 6, memory=90)
    assert made.reason is not None
    assert "memory at 90 %" in made.reason.text
    feed(made, [5] * 6, memory=82, start=106)
    assert made.reason is not None
    feed(made, [5] * 6, memory=79, start=112)
    assert made.reason is None


def test_the_sentence_is_the_same_while_the_load_hardly_changes():
    made, said = gate(), set()
    feed(made, [95] * 31)
    for number, percent in enumerate([94, 96, 95, 93, 97] * 4):
        made.observe(Sample(at=131 + number, cpu=percent, memory=10))
        assert made.reason is not None
        said.add(made.reason.text)
    assert len(said) == 1


@pytest.mark.parametrize("limit", [100, 120])
def test_a_limit_of_a_hundred_never_shuts(limit):
    made = Gate(worker="w1", cpu_limit=limit, memory_limit=limit)
    feed(made, [100] * 40, memory=100)
    assert made.reason is None


def test_own_short_work_is_not_counted_and_the_machines_is(monkeypatch):
    meter = Meter()
    used = iter([(100.0, 10.0), (101.0, 11.0), (102.0, 11.0)])
    now: dict[str, tuple[float, float]] = {}
    monkeypatch.setattr("jobs.engine.machine._machine_used", lambda: now["used"][0])
    monkeypatch.setattr("jobs.engine.machine._cpu_quota", lambda: None)
    monkeypatch.setattr("jobs.engine.machine.own_used", lambda: now["used"][1])
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    samples = []
    for at in (10.0, 11.0, 12.0):
        now["used"] = next(used)
        samples.append(meter.look(at))
    assert samples[0] is None
    assert [(sample.cpu, round(meter.cpu_percent)) for sample in samples[1:] if sample] == [(0.0, 100), (100.0, 100)]


def test_scripts_that_ended_below_a_living_runner_are_our_own():
    """A stand-in for zygote, runner and short scripts, which stays alive until its input ends."""
    before = own_used()
    scripts = "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done; cat /proc/$$/stat; read end"
    zygote = ["sh", "-c", f"sh -c '{scripts}'; true"]
    with subprocess.Popen(zygote, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        runner = process.stdout.readline().rpartition(b")")[2].split()
        spent = sum(int(field) for field in runner[11:15]) / os.sysconf("SC_CLK_TCK")
        gained = own_used() - before
        process.communicate(b"")
    assert spent > 0
    assert gained >= spent - 0.001  # both are sums of hundredths, as floats


def test_this_machine_has_cores_memory_and_kinds(settings):
    assert cores() > 0
    assert memory_bytes() > 64 * 1024 * 1024
    settings.PORTAL_NODE_CPUS, settings.PORTAL_NODE_MEMORY_MB = 1.5, 512
    assert (cores(), memory_bytes()) == (1.5, 512 * 1024 * 1024)
    settings.PORTAL_CAPABILITIES = ["gpu"]
    assert {"shell", "python", "sql", "driver:sqlite", "gpu"} <= set(capabilities())
