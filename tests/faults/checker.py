"""The checker of the contract: what must hold after every fault, looked at from outside the database as well.

Run after each test and at the end of `make chaos`: everything comes to rest, `check_ledger` is clean, no two scripts
of a run met (8), every started attempt has its line and every line its attempt (9), no process outlived its run (18),
and schedules still fire.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.faults.witness import Line, Witness, living
from tests.stack import Stack, wait_for

QUIET_SECONDS = 180.0  # without any progress
# An attempt that was ended from outside may have been ended before its script's first line.
ENDED_FROM_OUTSIDE = ("lost", "released", "cancelled")
TERMINAL = "('succeeded','business_failure','technical_failure','timed_out','cancelled','lost','skipped','missed')"


def check(stack: Stack, witness: Witness) -> None:
    """Fails with everything that is wrong."""
    revive(stack)
    for name in [name for name in stack.processes if name.startswith("beat")]:
        stack.stop(name)  # cursors rest, so that every fire time can be compared with its row
    wait_for_quiet(stack)
    stack.check_ledger()
    wrong = [*meetings(witness), *unmatched(stack, witness), *outlived(stack)]
    assert not wrong, "\n".join(wrong)
    prove_it_still_fires(stack)


def wait_for_quiet(stack: Stack) -> None:
    """Until nothing waits and nothing runs, however much there is to do, as long as there is progress."""
    stack.shell("from tests.stackrows import limit_running; limit_running(None)")
    while left := stack.count("queued", "running"):
        wait_for(partial(is_fewer, stack, left), f"progress with the last {left} runs", QUIET_SECONDS)


def is_fewer(stack: Stack, before: int) -> bool:
    return stack.count("queued", "running") < before


def revive(stack: Stack) -> None:
    """The servers and a worker run, whatever the test left."""
    for server in (stack.place.broker, stack.place.database):
        if server is not None:
            server.revive()
    for name, process in list(stack.processes.items()):
        if process.poll() is not None:
            stack.processes.pop(name)
        else:
            stack.resume(name)
    if not any(name.startswith("w") and name != "web" for name in stack.processes):
        stack.start_worker("w9")


def stop_schedules(stack: Stack) -> None:
    stack.shell("from jobs.models import Schedule; Schedule.objects.update(is_enabled=False, next_fire_at=None)")


def meetings(witness: Witness) -> Iterator[str]:
    """8: two scripts of one run never overlap in time. 9, one half: an attempt's script starts once."""
    ends: dict[int, tuple[float, int]] = {}
    for (run, attempt), lines in sorted(witness.by_attempt().items()):
        if sum(line.word == "start" for line in lines) != 1 or lines[0].word != "start":
            yield f"attempt {run}.{attempt} did not start once: {[line.word for line in lines]}"
        if any(line.word == "overlap" for line in lines):
            yield f"attempt {run}.{attempt} found an earlier script of its run alive"
        end, before = ends.get(run, (0.0, 0))
        if lines[0].at < end:
            yield f"attempt {run}.{attempt} started {end - lines[0].at:.2f} s before the end of {run}.{before}"
        ends[run] = (max(end, lines[-1].at), attempt)


def unmatched(stack: Stack, witness: Witness) -> Iterator[str]:
    """9: each attempt of a witnessed job has its lines, and each line its attempt."""
    seen = witness.by_attempt()
    rows = stack.rows(
        "SELECT a.run_id, a.number, a.status, a.reason_code, a.signal FROM jobs_attempt a "
        "JOIN jobs_run r ON r.id = a.run_id JOIN jobs_jobrevision v ON v.id = r.revision_id "
        f"WHERE {_witnessed(stack)}"
    )
    for run, number, status, reason, signal in rows:
        lines = seen.pop((run, number), [])
        if problem := _problem(status, reason, signal, lines):
            yield f"attempt {run}.{number} is {status} and {problem}"
    for run, number in seen:
        yield f"attempt {run}.{number} left lines and is not in the ledger"


def _witnessed(stack: Stack) -> str:
    mark = "%witness.txt%"
    return (
        f"CAST(v.definition AS CHAR(60000)) LIKE '{mark}'"
        if stack.place.name != "sqlite"
        else (f"v.definition LIKE '{mark}'")
    )


def _problem(status: str, reason: str, signal: int | None, lines: list[Line]) -> str:
    words = {line.word for line in lines}
    if status == "running":
        return "nothing may run any more"
    if status in ENDED_FROM_OUTSIDE or reason == "cannot_start":
        return ""
    if "start" not in words:
        return "left no line"
    if reason == "internal":  # the process that owned it was killed, and took it along
        return ""
    if status != "timed_out" and signal is None and "end" not in words:
        return "never said its end"
    return ""


def outlived(stack: Stack) -> Iterator[str]:
    """18: no process of a run that has ended. The ended ones are read first: what ends meanwhile is not blamed."""
    ended = {int(run) for (run,) in stack.rows(f"SELECT id FROM jobs_run WHERE status IN {TERMINAL}")}
    for pid, run in living(stack.folder):
        if run in ended:
            yield f"process {pid} of run {run} lives although the run has ended"


def prove_it_still_fires(stack: Stack) -> None:
    """A schedule made now fires and its runs succeed."""
    stop_schedules(stack)
    stack.start_beat("beat9")
    stack.shell(
        "from tests.stackrows import add_jobs\n"
        "from jobs.models import Job\n"
        "Job.objects.filter(slug='pulse').exists() or add_jobs([{'slug': 'pulse', 'kind': 'shell', "
        "'params': {'script': 'true'}, 'every': '1s'}])"
    )
    fired = "SELECT count(*) FROM jobs_run r JOIN jobs_job j ON j.id = r.job_id WHERE j.slug = 'pulse'"
    wait_for(lambda: stack.value(f"{fired} AND r.status = 'succeeded'") >= 2, "the pulse", QUIET_SECONDS)
    stop_schedules(stack)


def proof(stack: Stack, witness: Witness) -> str:
    """Empty when all is well, else what is wrong; for the random walk, which wants no traceback."""
    try:
        check(stack, witness)
    except AssertionError as error:
        return str(error)
    return ""
