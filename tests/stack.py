"""A portal of real processes on a temporary folder: embedded broker, workers, beats, web; ended by pid.

The ledger is a file database of its own (SQLite), so nothing is shared with the test process but the files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from portal.supervisor import broker

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60.0


class Stack:
    """`with Stack(folder) as stack`: the broker runs and the ledger is migrated; start the rest as needed."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._broker_port = broker.choose_port(None)
        self._password = "stack-test"
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST")
        } | {
            "DATA_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'portal.sqlite3'}",
            "CELERY_BROKER_URL": broker.url(port=self._broker_port, password=self._password),
            "SECRET_KEY": "stack-test-secret-key-that-is-long-enough-0123456789abcdef",
            "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "PORTAL_EMBEDDED": "1",
            "PORTAL_KILL_GRACE_SECONDS": "1",
            "PORTAL_DRAIN_SECONDS": "2",
            "LANGUAGE_CODE": "en",
            **environ,
        }

    def __enter__(self) -> Stack:
        config = broker.write_config(self.folder / "broker", port=self._broker_port, password=self._password)
        self.start("broker", broker.find_server(), str(config))
        wait_for(lambda: broker.answers(self.environ["CELERY_BROKER_URL"]), "the broker")
        shutil.copy(migrated_ledger(self.folder.parent), self.folder / "portal.sqlite3")
        return self

    def __exit__(self, *error: object) -> None:
        for name in sorted(self.processes, key=lambda name: name.startswith("broker")):
            self.stop(name)

    # --- processes ---
    def start(self, name: str, *argv: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(
            argv, cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self.processes[name] = process
        return process

    def start_worker(self, name: str = "w1") -> subprocess.Popen[bytes]:
        options = ["--pool=threads", "--concurrency=8", "--without-gossip", "--without-mingle"]
        options += ["--without-heartbeat", "-Q", "default", "-n", f"{name}@%h", "--loglevel", "INFO"]
        return self.start(name, sys.executable, "-m", "celery", "-A", "portal", "worker", *options)

    def start_beat(self, name: str = "beat") -> subprocess.Popen[bytes]:
        schedule = str(self.folder / f"{name}-schedule")
        return self.start(name, sys.executable, "-m", "celery", "-A", "portal", "beat", "-s", schedule)

    def start_web(self) -> str:
        """The address of a web server that answers."""
        port = free_port()
        gunicorn = ["gunicorn", "portal.wsgi:application", "--bind", f"127.0.0.1:{port}", "--threads", "8"]
        self.start("web", sys.executable, "-m", *gunicorn, "--no-control-socket")
        wait_for(lambda: can_connect(port), "the web server")
        return f"http://127.0.0.1:{port}"

    def kill(self, name: str) -> None:
        """As the kernel would: no goodbye."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(timeout=10)

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)

    # --- the ledger, through the commands ---
    def manage(self, *args: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *args]
        return subprocess.run(
            command, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=check, timeout=timeout
        )

    def shell(self, code: str) -> str:
        """Run code with Django set up; what it prints last is returned."""
        return self.manage("shell", "-v0", "-c", code).stdout.strip()

    def run_job(self, path: str, *options: str, timeout: float = 120) -> tuple[int, dict[str, Any]]:
        """Exit code and the JSON object of `run_job --json`."""
        done = self.manage("run_job", path, "--json", *options, check=False, timeout=timeout)
        assert done.stdout.strip(), done.stderr
        return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])

    def add_jobs(self, *jobs: dict[str, Any]) -> None:
        """Jobs of tenant demo: a dict of the definition, with its slug and perhaps an interval `every`."""
        code = (
            "import json; from tests.stackrows import add_jobs; "
            f"add_jobs(json.loads({json.dumps(json.dumps(list(jobs)))}))"
        )
        self.shell(code)

    def value(self, sql: str) -> Any:
        """The first column of the first row, straight from the file: polling through `manage.py` would take seconds."""
        with closing(sqlite3.connect(self.folder / "portal.sqlite3", timeout=20)) as ledger:
            row = ledger.execute(sql).fetchone()
        return row[0] if row else None

    def status_of(self, run: int) -> str:
        return str(self.value(f"SELECT status FROM jobs_run WHERE id = {int(run)}"))

    def check_ledger(self) -> None:
        done = self.manage("check_ledger", check=False)
        assert done.returncode == 0, done.stdout


def migrated_ledger(folder: Path) -> Path:
    """A migrated, empty database file, made once per folder and copied for each stack."""
    path = folder / "migrated.sqlite3"
    if not path.exists():
        making = folder / f"migrating-{os.getpid()}.sqlite3"
        environ = dict(os.environ) | {"DATABASE_URL": f"sqlite:///{making}", "DATA_DIR": str(folder)}
        environ.pop("PYTEST_CURRENT_TEST", None)
        command = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=120)
        making.replace(path)
    return path


def wait_for(is_so: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first truthy answer; fails when it does not come in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = is_so()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds:g} seconds")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
