"""What one script costs below the ledger: CPU of every process, and scripts started per second."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.figure import Figure
from bench.place import Place
from jobs.runner.client import RunnerPool
from jobs.runner.spec import Ended, RunnerSpec

ORDER = 4
THREADS = 16
MOST_CPU = 2.0  # times the bare subprocess: the rest of a run's budget belongs to the ledger
BARE = "bare subprocess.run of bash -c /bin/true"


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """A `/bin/true` shell script in a runner, from the spec to its end; processes are counted to their last."""
    count = 100 if quick else 1000
    script = place.folder / "true.sh"
    script.write_text("/bin/true\n")
    for threads in (1, THREADS):
        pool = RunnerPool()
        ours = timed(lambda pool=pool: supervise(pool, script), count, threads, end=pool.close)  # type: ignore[misc]
        bare = timed(run_bare, count, threads)
        for index, (what, unit) in enumerate((("per second", "scripts/s"), ("CPU each", "ms"))):
            yield Figure(
                name=f"supervised scripts, {threads} at once: {what}",
                value=ours[index],
                unit=unit,
                baseline=BARE,
                baseline_value=bare[index],
                target=MOST_CPU if index else None,
                better="lower" if index else "higher",
                of="ratio",
            )


def timed(work: Callable[[], None], count: int, threads: int, end: Callable[[], None] | None = None) -> list[float]:
    """How many per second, and CPU milliseconds of one: of this process and of all it has started."""
    before, began = os.times(), time.perf_counter()
    with ThreadPoolExecutor(threads) as several:
        for done in [several.submit(work) for _ in range(count)]:
            done.result()
    seconds = time.perf_counter() - began
    if end is not None:
        end()  # the zygote and its runners are counted once they have ended
    after = os.times()
    return [count / seconds, sum(b - a for a, b in zip(before[:4], after[:4], strict=True)) / count * 1000]


def supervise(pool: RunnerPool, script: Path) -> None:
    spec = RunnerSpec(
        argv=("/bin/bash", str(script)),
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        cwd=str(script.parent),
        lease_deadline=time.monotonic() + 60,
        timeout=60,
        process_limit=1000,
    )
    last = list(pool.spawn(spec).events())[-1]
    if not isinstance(last, Ended) or last.exit_code != 0:
        raise SystemExit(f"A script did not succeed, so the figure would mean nothing: {last}")


def run_bare() -> None:
    subprocess.run(["/bin/bash", "-c", "/bin/true"], check=True)
