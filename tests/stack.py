"""A portal of real processes on a temporary folder: broker, ledger, workers, beats, web; ended by pid.

By default the ledger is a SQLite file and the broker the embedded one; `tests.places` has others. Nothing is shared
with the test process but files and servers of the tests' own.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from tests.places import NOT_OURS, Place, Sqlite
from tests.servers import can_connect, die_with_me, free_port, wait_for

__all__ = ["Stack", "can_connect", "free_port", "wait_for"]
ROOT = Path(__file__).resolve().parent.parent


class Stack:
    """`with Stack(folder) as stack`: the broker runs and the ledger is migrated; start the rest as needed."""

    def __init__(self, folder: Path, place: Place | None = None, **environ: str) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._own_place = place is None
        self.place = place or Sqlite()
        self._extra = environ
        self.environ: dict[str, str] = {}
        self._shell: subprocess.Popen[bytes] | None = None
        self._said = b""  # of the shell, beyond the last whole line

    def __enter__(self) -> Stack:
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        self.environ = {
            **inherited,
            "DATA_DIR": str(self.folder),
            "SECRET_KEY": "stack-test-secret-key-that-is-long-enough-0123456789abcdef",
            "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "PORTAL_KILL_GRACE_SECONDS": "1",
            "PORTAL_DRAIN_SECONDS": "2",
            "PORTAL_NODE_CPU_PERCENT": "100",  # a test's verdict does not hang on who else is on the machine
            "PORTAL_NODE_MEMORY_PERCENT": "100",
            "PORTAL_DISK_FREE_PERCENT": "0",
            "LANGUAGE_CODE": "en",
            **self.place.open(self.folder),
            **self._extra,
        }
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self.processes):
            self.stop(name)
        self._close_shell()
        if self._own_place:
            self.place.close()
        else:
            self.place.leave()

    # --- processes ---
    def start(self, name: str, *argv: str, environ: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                die_with_me(list(argv)),
                cwd=ROOT,
                env=self.environ | (environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_worker(
        self, name: str = "w1", *, slots: int = 8, queues: str = "default", **environ: str
    ) -> subprocess.Popen[bytes]:
        options = ["--pool=threads", f"--concurrency={slots}", "--without-gossip", "--without-mingle"]
        options += ["--without-heartbeat", "-Q", queues, "-n", f"{name}@%h", "--loglevel", "INFO"]
        return self.start(name, sys.executable, "-m", "celery", "-A", "portal", "worker", *options, environ=environ)

    def start_beat(self, name: str = "beat", **environ: str) -> subprocess.Popen[bytes]:
        schedule = str(self.folder / f"{name}-schedule")
        return self.start(name, sys.executable, "-m", "celery", "-A", "portal", "beat", "-s", schedule, environ=environ)

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

    def pause(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGCONT)

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a stopped process takes its TERM only then
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

    def shell(self, code: str, *, timeout: float = 120) -> str:
        """Run code in a Django process that stays; what it printed is returned. Much faster than `manage`."""
        shell = self._running_shell()
        assert shell.stdin is not None
        shell.stdin.write(json.dumps(code).encode() + b"\n")
        shell.stdin.flush()
        answer = json.loads(self._line(shell, timeout))
        assert "error" not in answer, answer["error"]
        return str(answer["printed"]).strip()

    def _running_shell(self) -> subprocess.Popen[bytes]:
        if self._shell is None:
            with (self.folder / "shell.log").open("ab") as log:
                self._shell = subprocess.Popen(
                    die_with_me([sys.executable, "-m", "tests.stackshell"]),
                    cwd=ROOT,
                    env=self.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings"},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    bufsize=0,
                    start_new_session=True,
                )
        return self._shell

    def _line(self, shell: subprocess.Popen[bytes], seconds: float) -> bytes:
        assert shell.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._said:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([shell.stdout], [], [], left)[0]
            data = os.read(shell.stdout.fileno(), 65536) if ready else b""
            if not data:
                self._close_shell()
                raise AssertionError(f"the shell gave no answer within {seconds:g} seconds; see shell.log")
            self._said += data
        line, _newline, self._said = self._said.partition(b"\n")
        return line

    def _close_shell(self) -> None:
        if self._shell is not None:
            self._shell.kill()
            self._shell.communicate()
            self._shell, self._said = None, b""

    def run_job(self, path: str, *options: str, timeout: float = 120) -> tuple[int, dict[str, Any]]:
        """Exit code and the JSON object of `run_job --json`."""
        done = self.manage("run_job", path, "--json", *options, check=False, timeout=timeout)
        assert done.stdout.strip(), done.stderr
        return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])

    def request(self, slug: str, count: int = 1) -> list[int]:
        """Ask for runs of a job of tenant demo; their ids."""
        return list(json.loads(self.shell(f"from tests.stackrows import request; request({slug!r}, {count})")))

    def add_jobs(self, *jobs: dict[str, Any]) -> None:
        """Jobs of tenant demo: a dict of the definition, with its slug and perhaps an interval `every`."""
        code = (
            "import json; from tests.stackrows import add_jobs; "
            f"add_jobs(json.loads({json.dumps(json.dumps(list(jobs)))}))"
        )
        self.shell(code)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Straight from the database: polling through `manage.py` would take seconds."""
        with closing(self.place.connect()) as ledger:
            cursor = ledger.cursor()
            cursor.execute(sql)
            return list(cursor.fetchall())

    def value(self, sql: str) -> Any:
        """The first column of the first row."""
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def status_of(self, run: int) -> str:
        return str(self.value(f"SELECT status FROM jobs_run WHERE id = {int(run)}"))

    def count(self, *statuses: str) -> int:
        """How many runs have one of these statuses; all runs without any."""
        where = f" WHERE status IN ({', '.join(repr(status) for status in statuses)})" if statuses else ""
        return int(self.value(f"SELECT count(*) FROM jobs_run{where}"))

    def is_quiet(self) -> bool:
        return self.count("queued", "running") == 0

    def check_ledger(self) -> None:
        """Every invariant, on the ledger as it is now."""
        findings = self.shell("from tests.stackrows import findings; findings()")
        assert not findings, findings
