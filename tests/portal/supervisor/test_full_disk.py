"""A full disk takes the embedded portal's notes and logs, not the portal."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portal.supervisor import run
from portal.supervisor.run import Supervisor
from portal.supervisor.runtime import Runtime

FULL = OSError(errno.ENOSPC, "No space left on device")


class FakeChild:
    """A child that is dead until it is started."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.process: object | None = None
        self.next_start_at = 0.0
        self.buried = 0
        self.log = SimpleNamespace(path=folder / f"{name}.log", important_lines=list)

    def has_died(self) -> bool:
        return False

    def start(self) -> None:
        self.process = object()

    def bury(self) -> float:
        self.buried += 1
        return 0.0

    def identity(self) -> dict[str, float]:
        return {"pid": 1.0, "created": 1.0}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    monkeypatch.setattr(run, "TICK_SECONDS", 0.0)
    made = Supervisor(data_dir=tmp_path, base_dir=tmp_path, environ={}, say=said.append)
    made.runtime = Runtime(tmp_path)
    children: Any = [FakeChild("web", tmp_path), FakeChild("beat", tmp_path)]
    made.children = children
    return made


def failing(*args: object, **kwargs: object) -> None:
    raise FULL


def test_a_full_disk_is_said_once_for_each_child_and_the_others_are_tended(
    supervisor: Supervisor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr("portal.supervisor.runtime.write_private", failing)
        for _tick in range(3):
            supervisor._tick()
    assert [line.partition(".")[0] for line in said] == [
        "web: started again",
        "web: No space left on device",
        "beat: started again",
        "beat: No space left on device",
    ]
    supervisor._tick()  # the disk has room again
    assert set(Runtime(supervisor.data_dir).path.read_text().split('"')) >= {"web", "beat"}


def test_a_child_that_cannot_be_started_is_tried_later(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    web: Any = supervisor.children[0]
    monkeypatch.setattr(web, "start", failing)
    supervisor._tick()
    assert (web.process, web.buried) == (None, 1)
    assert supervisor.children[1].process is not None


def test_a_terminal_that_takes_nothing_ends_nothing(tmp_path: Path) -> None:
    say: Callable[[str], None] = failing
    Supervisor(data_dir=tmp_path, base_dir=tmp_path, environ={}, say=say).say("Started.")


def test_the_folder_is_given_back_although_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Runtime(tmp_path)
    first.take()
    monkeypatch.setattr("portal.supervisor.runtime.write_private", failing)
    first.release()
    Runtime(tmp_path).take()
