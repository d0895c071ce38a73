"""What killed workers leave on disk goes; what runs, what is young and what is not ours stays."""

from __future__ import annotations

import os
import threading
import time

import pytest
from django.db import InterfaceError

from jobs.engine import workfolders
from jobs.engine.finish import Ending, finish
from jobs.states import AttemptStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
LATER = workfolders.YOUNG_SECONDS + 60


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "work"


def leave(folder, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "big").write_text("x")
    (folder / f"{name}.pid").write_text("1")


def test_only_what_belongs_to_an_ended_attempt_is_removed(folder):
    node = rows.node()
    rows.queued(rows.job("over")), rows.queued(rows.job("going"))
    over, going = rows.take(node), rows.take(node)
    finish(over.run, over.attempt, Ending(status=AttemptStatus.SUCCEEDED, exit_code=0))
    for claimed in (over, going):
        leave(folder, f"{claimed.run.pk}-{claimed.attempt.number}")
    leave(folder, "999999-1")  # the run has been purged
    leave(folder, "something-else")
    assert workfolders.sweep(folder, now=time.time() + LATER) == 4
    kept = f"{going.run.pk}-{going.attempt.number}"
    assert {path.name for path in folder.iterdir()} == {
        *(kept, f"{kept}.pid"),
        *("something-else", "something-else.pid"),
    }


def test_what_is_young_stays(folder):
    leave(folder, "999999-1")
    assert workfolders.sweep(folder) == 0


def test_a_link_goes_and_what_it_points_at_stays(folder, tmp_path):
    leave(tmp_path, "precious")
    folder.mkdir()
    (folder / "999999-1").symlink_to(tmp_path / "precious")
    os.utime(folder / "999999-1", (1, 1), follow_symlinks=False)
    assert workfolders.sweep(folder) == 1
    assert (tmp_path / "precious" / "big").exists()


def test_without_a_folder_there_is_nothing_to_do(folder):
    assert workfolders.sweep(folder) == 0


def test_the_sweep_goes_on_after_a_connection_was_lost(folder, monkeypatch, caplog):
    stop, seen = threading.Event(), []

    def look(path):
        seen.append(path)
        if len(seen) == 2:
            stop.set()
        raise InterfaceError("connection already closed")

    monkeypatch.setattr(workfolders, "sweep", look)
    workfolders.sweep_forever(folder, stop, every=0.001)
    assert len(seen) == 2
    assert "could not be looked for" in caplog.text
