"""`manage.py up` for real: broker, worker, beat and web as processes on a folder of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.source import ROOT

pytestmark = pytest.mark.stack
LEFT_OUT = {"SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "CELERY_BROKER_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return true()


class Portal:
    """One `manage.py up` with its output in a file."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir
        self.port = port
        self.output = data_dir.parent / "up.log"
        environ = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        environ |= {"DATA_DIR": str(data_dir), "PORT": str(port), "PORTAL_DEMO": "0", "PORTAL_DRAIN_SECONDS": "3"}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def children(self) -> dict[str, dict[str, Any]]:
        try:
            found: dict[str, dict[str, Any]] = json.loads((self.data_dir / "runtime.json").read_text())["children"]
        except (OSError, ValueError, KeyError):
            return {}
        return found

    def is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def all_processes(self) -> list[psutil.Process]:
        try:
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        """However a test ended, nothing of it stays."""
        left = self.all_processes()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=10)
        for process in left:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    started = Portal(tmp_path_factory.mktemp("up") / "var", free_port())
    try:
        assert until(lambda: "The portal is ready" in started.text(), seconds=150), started.text()
        yield started
    finally:
        started.end()


@pytest.mark.xdist_group("stack")
def test_everything_comes_up_and_reports_ready(portal: Portal) -> None:
    assert portal.is_ready()
    assert set(portal.children()) == {"broker", "mail", "worker", "beat", "web"}


@pytest.mark.xdist_group("stack")
def test_no_secret_is_in_an_argument_or_the_output(portal: Portal) -> None:
    secrets = json.loads((portal.data_dir / "secrets.json").read_text()).values()
    arguments = [word for process in portal.all_processes() for word in process.cmdline()]
    logs = [path.read_text(errors="replace") for path in (portal.data_dir / "logs").glob("*.log")]
    seen = [secret for secret in secrets for text in [*arguments, *logs, portal.text()] if secret in text]
    assert not seen


@pytest.mark.xdist_group("stack")
def test_a_second_start_on_the_same_folder_is_refused_in_a_sentence(portal: Portal) -> None:
    done = run_up(portal.data_dir, free_port())
    assert done.returncode == 1
    assert "already runs" in done.stderr and str(portal.process.pid) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.xdist_group("stack")
@pytest.mark.parametrize("name", ["web", "worker", "broker", "beat"])
def test_a_child_that_is_killed_is_started_again(portal: Portal, name: str) -> None:
    before = portal.children()[name]["pid"]
    os.kill(before, signal.SIGKILL)
    assert until(lambda: portal.children().get(name, {}).get("pid") not in (None, before), seconds=30)
    assert until(portal.is_ready, seconds=60)
    assert f"{name}: was ended by SIGKILL" in portal.text()


@pytest.mark.xdist_group("stack")
def test_when_the_supervisor_is_killed_its_children_end_and_the_next_start_comes_up(portal: Portal) -> None:
    left = portal.all_processes()[1:]
    portal.process.kill()
    portal.process.wait(timeout=10)
    assert until(lambda: not alive(left), seconds=45), [one.cmdline() for one in alive(left)]
    again = Portal(portal.data_dir, portal.port)
    try:
        assert until(lambda: portal.text().count("The portal is ready") == 2, seconds=90), portal.text()
        everything = again.all_processes()
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(timeout=60) == 0
        assert not alive(everything)
        assert "Stopped." in again.text()
    finally:
        again.end()


def run_up(data_dir: Path, port: int, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    environ |= {"DATA_DIR": str(data_dir), "PORT": str(port), "PORTAL_DEMO": "0"} | more
    return subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_port_in_use_is_a_sentence_that_says_how_to_choose_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_up(tmp_path / "var", port)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr and f"PORT={port + 1} make run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")
    done = run_up(tmp_path / "var", free_port())
    assert done.returncode == 1
    assert "is not a folder" in done.stderr and "DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_that_cannot_be_reached_is_a_sentence(tmp_path: Path) -> None:
    closed = f"postgres://nobody:nothing@127.0.0.1:{free_port()}/none"
    done = run_up(tmp_path / "var", free_port(), DATABASE_URL=closed)
    assert done.returncode == 1
    assert "The database can't be used" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
