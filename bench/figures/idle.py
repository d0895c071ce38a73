"""What an idle portal costs: the embedded stack that `make run` starts, with its demo, left alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil

from bench.figure import Figure
from bench.place import ROOT, Place, wait_for

ORDER = 8
INHERITED = ("DATABASE_URL", "CELERY_BROKER_URL", "DATA_DIR", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "LANGUAGE_CODE")


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """PSS of all its processes and their share of one core over a while, with no schedules (an idle system)."""
    seconds = 5 if quick else 60
    with tempfile.TemporaryDirectory(prefix="portal-idle-") as folder:
        port = free_port()
        environ = {name: value for name, value in os.environ.items() if name not in INHERITED}
        environ |= {"DATA_DIR": folder, "PORT": str(port), "PORTAL_DEMO": "0"}
        with Path(folder, "up.log").open("wb") as log:
            up = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, env=environ, stdout=log, stderr=log)
        try:
            wait_for(lambda: answers(port), "the embedded portal", seconds=120, step=0.2)
            time.sleep(2 if quick else 15)  # what starting it has stirred up
            family = [psutil.Process(up.pid), *psutil.Process(up.pid).children(recursive=True)]
            before = cpu_seconds(family)
            time.sleep(seconds)
            share = 100 * (cpu_seconds(family) - before) / seconds
            memory = sum(process.memory_full_info().pss for process in family if process.is_running())
        finally:
            up.send_signal(signal.SIGTERM)
            try:
                up.wait(30)
            except subprocess.TimeoutExpired:
                up.kill()
    yield Figure(name="idle embedded stack, memory", value=memory / 2**20, unit="MiB PSS", target=400, better="lower")
    yield Figure(
        name="idle embedded stack, CPU",
        value=share,
        unit="% of a core",
        target=None if quick else 3,
        better="lower",
    )


def cpu_seconds(family: list[psutil.Process]) -> float:
    total = 0.0
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
