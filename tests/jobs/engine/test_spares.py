"""Spare work folders: ready before a script is due, never used twice, and nobody's trouble."""

from __future__ import annotations

import os
import subprocess
import threading
import time

import pytest

from jobs.engine import workfolders
from jobs.engine.execute import work
from jobs.engine.spares import Spares
from jobs.engine.worker import Worker
from jobs.executors.script import BLANK, OUTPUT
from jobs.models import LogChunk, Run
from jobs.states import RunStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path):
    return tmp_path / "work"


def filled(root, most: int = 2) -> Spares:
    spares = Spares(root, most=most)
    spares.fill()
    return spares


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_attempt_gets_a_folder_that_was_ready_and_the_next_one_another(root):
    spares = filled(root)
    before = {path.stat().st_ino for path in root.iterdir() if path.is_dir()}
    for name in ("1-1", "2-1", "3-1"):
        spares.make(root / name)
        assert (root / name).stat().st_mode & 0o777 == 0o700
    assert {(root / name).stat().st_ino for name in ("1-1", "2-1")} == before
    assert names(root) == ["1-1", "1-1.pid", "2-1", "2-1.pid", "3-1"]
    assert names(root / "1-1") == sorted([BLANK, OUTPUT])
    assert names(root / "3-1") == []


def test_a_folder_that_is_there_already_is_nobodys(root):
    spares = filled(root, most=0)
    (root / "1-1").mkdir()
    (root / "1-1" / "kept").write_text("x")
    for _try in range(2):
        with pytest.raises(FileExistsError):
            spares.make(root / "1-1")
        spares = filled(root, most=1)
    assert names(root / "1-1") == ["kept"]


def test_without_its_spares_a_worker_makes_what_it_needs(root):
    spares = filled(root)
    for path in root.iterdir():
        subprocess.run(["rm", "-r", path], check=True)
    spares.make(root / "1-1")
    assert (root / "1-1").is_dir()


def test_a_disk_that_can_take_no_spare_is_told_to_nobody(root, monkeypatch):
    stop, tried = threading.Event(), []

    def fail(self: Spares) -> None:
        tried.append(True)
        stop.set()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobs.engine.spares.QUIET_SECONDS", 0)
    monkeypatch.setattr(Spares, "fill", fail)
    Spares(root, most=2).keep_ready(stop)
    assert tried


def test_they_are_made_when_it_is_quiet_and_gone_when_the_worker_ends(root, monkeypatch):
    monkeypatch.setattr("jobs.engine.spares.QUIET_SECONDS", 0.01)
    stop, spares = threading.Event(), Spares(root, most=3)
    thread = threading.Thread(target=spares.keep_ready, args=[stop])
    thread.start()
    wait_until(lambda: root.is_dir() and len(list(root.iterdir())) == 6)
    spares.make(root / "1-1")
    wait_until(lambda: len(list(root.iterdir())) == 8)
    stop.set()
    thread.join(timeout=20)
    assert names(root) == ["1-1", "1-1.pid"]


def test_while_scripts_start_none_is_made(root):
    spares = Spares(root, most=3)
    spares._taken.set()
    spares.fill()
    assert names(root) == []


def test_a_script_runs_in_a_spare_as_in_any_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    worker = Worker(name="w", queues=["default"], capacity=1)
    worker.node = rows.node()
    worker.spares.fill()
    for slug in ("first", "second"):  # with a spare, and without
        rows.queued(rows.job(slug, script='ls -A; basename "$PORTAL_OUTPUT"; echo a=1 >> "$PORTAL_OUTPUT"'))
        work(worker, "default")
    worker.runners.close()
    assert [(run.status, run.outputs) for run in Run.objects.all()] == [(RunStatus.SUCCEEDED, {"a": "1"})] * 2
    assert set(LogChunk.objects.values_list("text", flat=True)) == {f"{OUTPUT}\nscript.sh\n{OUTPUT}\n"}
    assert names(tmp_path / "work") == []


def test_what_a_killed_worker_had_ready_is_swept_and_a_living_ones_is_not(root):
    filled(root, most=1)
    own = names(root)
    for name in ("spare-4194304-0123abcd-7", "spare-4194304-0123abcd-7.pid", "spare-x-7"):
        (root / name).mkdir()
    later = time.time() + workfolders.YOUNG_SECONDS + 60
    assert workfolders.sweep(root, now=later) == 2
    assert names(root) == [*own, "spare-x-7"]


def test_a_process_with_the_number_of_a_killed_one_tidies_up_after_it_and_meets_none_of_its_names(root):
    filled(root)
    stop, spares = threading.Event(), Spares(root, most=1)
    spares.fill()
    stop.set()
    spares.keep_ready(stop)
    assert names(root) == []


@pytest.mark.parametrize("meddle", ["plant", "link", "write", "chmod"])
def test_a_spare_that_somebody_has_touched_is_thrown_away(root, tmp_path, meddle):
    """At the isolation level "shared" the script of another tenant may do this; it must not wait for the next one."""
    spares = filled(root, most=1)
    [folder] = [path for path in root.iterdir() if path.is_dir()]
    time.sleep(0.02)  # longer than a tick of the kernel's clock for files
    match meddle:
        case "plant":
            (folder / "colorsys.py").write_text("planted")
        case "link":
            os.link(folder / BLANK, tmp_path / "peep")
        case "write":
            (folder / OUTPUT).write_text("a=1")
        case "chmod":
            folder.chmod(0o777)
    spares.make(root / "1-1")
    assert names(root) == ["1-1"]
    assert names(root / "1-1") == []
    assert (root / "1-1").stat().st_mode & 0o777 == 0o700


def test_a_spare_that_can_not_be_finished_is_not_left(root, monkeypatch):
    def fail(self, **kwargs) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.touch", fail)
    with pytest.raises(OSError, match="No space"):
        Spares(root, most=1).fill()
    assert names(root) == []


def wait_until(holds) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)
