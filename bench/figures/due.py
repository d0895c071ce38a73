"""From a due moment to its run row and to its script, with a real beat among many schedules."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from bench.figure import Figure
from bench.figures.runs import SLOTS
from bench.place import Place, end, quantile, start_beat, start_worker, wait_for
from bench.rows import add_job, add_schedules, clear_runs, clear_schedules, make_due
from jobs import dbclock
from jobs.models import LogChunk, Run, Schedule
from jobs.timetable import ScheduleSpec, save_schedules

ORDER = 4
LOOK = 0.01  # seconds between two looks at the rows


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """Lateness as another process sees it: the row is committed, the script has printed its first line."""
    size, per_second, seconds, burst = (200, 5, 3, 100) if quick else (100_000, 100, 60, 10_000)
    scripts = 2 if quick else 20
    add_schedules(size, jobs=min(size, 10_000), overlap="skip")
    beat = start_beat(place)
    yield from _rows(beat, size, per_second, seconds)
    yield _changed(size, samples=3 if quick else 10)
    for beats in (1, 5):
        others = [start_beat(place) for _ in range(beats - 1)]
        yield from _burst(burst, beats)
        for other in others:
            end(other)
    place.tidy()
    yield from _scripts(place, size, scripts, seconds)
    end(beat)
    clear_schedules()


def _plan(per_second: int, seconds: int, *, skip: int = 0) -> datetime:
    """Let as many schedules come due in each of the coming seconds; the first of them."""
    first = dbclock.now().replace(microsecond=0) + timedelta(seconds=3 + seconds // 10)
    for second in range(seconds):
        make_due(per_second, first + timedelta(seconds=second), skip=skip + second * per_second)
    return first


def _seen(count: int, *, until: datetime) -> list[float]:
    """How late each new run was when another process saw its row, in ms."""
    late: list[float] = []
    last = Run.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    while len(late) < count and dbclock.now() < until:
        rows = list(Run.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "scheduled_for"))
        now = dbclock.now()
        late += [(now - scheduled_for).total_seconds() * 1000 for _pk, scheduled_for in rows]
        last = rows[-1][0] if rows else last
        time.sleep(LOOK)
    if len(late) < count:
        raise SystemExit(f"Only {len(late)} of {count} runs came.")
    return late


def _rows(beat: subprocess.Popen[bytes], size: int, per_second: int, seconds: int) -> Iterator[Figure]:
    first = _plan(per_second, seconds)
    late = _seen(per_second * seconds, until=first + timedelta(seconds=seconds + 60))
    about = f"{size:,} schedules, {per_second} due each second"
    for name, share in (("p50", 0.5), ("p99", 0.99)):  # below zero: it was there before its moment
        value = quantile(late, share)
        yield Figure(name=f"due → run row, {name}, {about}", value=value, unit="ms", target=100, better="lower")
    yield Figure(name=f"beat, peak memory, {about}", value=_peak_mb(beat.pid), unit="MB", target=150, better="lower")


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def _changed(size: int, *, samples: int) -> Figure:
    """A person sets another moment for one schedule: how long after it is its run there?"""
    job = add_job("changed", "/bin/true", overlap="allow", overlap_limit=1000)
    late = []
    for _ in range(samples):
        at = dbclock.now() + timedelta(milliseconds=300)
        save_schedules(job, [ScheduleSpec(kind="once", expression=at.isoformat())], actor=None)
        late += _seen(1, until=at + timedelta(seconds=30))
    return Figure(
        name=f"one changed schedule among {size:,} takes effect, worst of {samples}",
        value=max(late),
        unit="ms",
        target=1000,
        better="lower",
    )


def _burst(count: int, beats: int) -> Iterator[Figure]:
    """All due in one second: until the last row is there, and none twice."""
    known = Run.objects.count()
    moment = dbclock.now().replace(microsecond=0) + timedelta(seconds=5)
    keys = make_due(count, moment)
    wait_for(lambda: Run.objects.count() >= known + count, "all runs", seconds=300, step=0.05)
    took = (dbclock.now() - moment).total_seconds()
    rows = Run.objects.filter(schedule_id__in=keys, scheduled_for=moment).count()
    about = f"{count:,} due in one second, {beats} beat{'s' if beats > 1 else ''}"
    yield Figure(name=f"{about}: until the last row", value=took, unit="s", target=20, better="lower")
    yield Figure(name=f"{about}: rows too many", value=rows - count, unit="rows", target=0, better="lower")


def _scripts(place: Place, size: int, per_second: int, seconds: int) -> Iterator[Figure]:
    """The script's own first line is its time."""
    clear_runs()  # nobody is to execute what the figures before have left
    count = per_second * seconds
    add_schedules(count, jobs=count, overlap="skip", script="date +%s.%N")
    worker = start_worker(place)
    skip = Schedule.objects.count() - count
    _plan(per_second, seconds, skip=skip)
    keys = list(Schedule.objects.order_by("pk").values_list("pk", flat=True)[skip:])
    chunks = LogChunk.objects.filter(attempt__run__schedule_id__in=keys)
    time.sleep(seconds)  # counting them meanwhile would take the machine from the scripts
    wait_for(lambda: chunks.count() >= count, "all scripts", seconds=120, step=0.5)
    end(worker)
    rows = chunks.values_list("text", "attempt__run__scheduled_for")
    late = [(float(text) - scheduled_for.timestamp()) * 1000 for text, scheduled_for in rows]
    bare = raw_lines(place, per_second, seconds)
    about = f"{size:,} schedules, {per_second} due each second"
    for name, share, target in (("p50", 0.5, 60), ("p99", 0.99, 300)):
        yield Figure(
            name=f"due → first line of its script, {name}, {about}",
            value=quantile(late, share),
            unit="ms",
            baseline="raw Celery, sent at that second by a loop, nothing recorded",
            baseline_value=quantile(bare, share),
            target=target,
            better="lower",
        )


def raw_lines(place: Place, per_second: int, seconds: int) -> list[float]:
    """The least that Celery needs: so many tasks at each second's beginning, until the script's own first line. ms."""
    from bench import rawcelery

    rawcelery.counter.delete(rawcelery.LATE)
    options = ["worker", "--pool=threads", f"--concurrency={SLOTS}", "-Q", rawcelery.QUEUE, "-n", "raw@%h"]
    worker = place.start_celery("bench.rawcelery", *options)
    came = lambda: int(rawcelery.counter.llen(rawcelery.LATE))  # noqa: E731
    for _ in range(SLOTS):
        rawcelery.line.apply_async((time.time(),), queue=rawcelery.QUEUE)
    wait_for(lambda: came() >= SLOTS, "raw Celery's warm-up", seconds=60)
    first = int(time.time()) + 2
    for second in range(seconds):
        time.sleep(max(0.0, first + second - time.time()))
        for _ in range(per_second):
            rawcelery.line.apply_async((float(first + second),), queue=rawcelery.QUEUE)
    wait_for(lambda: came() >= SLOTS + per_second * seconds, "raw Celery's last script", seconds=60)
    end(worker)
    return [float(late) * 1000 for late in rawcelery.counter.lrange(rawcelery.LATE, SLOTS, -1)]
