"""The processes' own log files are turned daily, and three earlier ones are kept."""

import errno
from datetime import date, timedelta
from pathlib import Path

import pytest

from portal.supervisor.logfiles import KEEP, Turner

DAY = date(2026, 11, 20)


def test_a_log_is_turned_once_a_day_and_the_oldest_goes(tmp_path: Path) -> None:
    log, turner = tmp_path / "web.log", Turner()
    for number in range(KEEP + 3):
        with log.open("a") as file:
            file.write(f"day {number}\n")
        turned = [turner.tend(log, DAY + timedelta(days=number)) for _ in range(2)]
        assert turned == [number > 0, False]
    earlier = {path.name: path.read_text() for path in tmp_path.glob("web.log.*")}
    assert sorted(earlier) == [f"web.log.{number}" for number in range(1, KEEP + 1)]
    assert earlier["web.log.1"].endswith(f"day {KEEP + 2}\n")


def test_its_writer_goes_on_in_the_same_file(tmp_path: Path) -> None:
    log, turner = tmp_path / "web.log", Turner()
    with log.open("a") as writer:
        writer.write("yesterday\n")
        writer.flush()
        turner.tend(log, DAY)
        assert turner.tend(log, DAY + timedelta(days=1))
        writer.write("today\n")
    assert log.read_text() == "today\n"
    assert (tmp_path / "web.log.1").read_text() == "yesterday\n"


def test_an_empty_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    turner, log = Turner(), tmp_path / "web.log"
    turner.tend(log, DAY)
    assert not turner.tend(log, DAY + timedelta(days=1))
    log.touch()
    assert not turner.tend(log, DAY + timedelta(days=2))
    assert list(tmp_path.glob("web.log.*")) == []


def test_a_log_on_a_full_disk_is_emptied_without_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, turner = tmp_path / "web.log", Turner()
    log.write_text("yesterday\n")
    turner.tend(log, DAY)

    def fill(source: Path, target: Path) -> None:
        target.write_text("half of")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("portal.supervisor.logfiles.shutil.copyfile", fill)
    assert turner.tend(log, DAY + timedelta(days=1))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("web.log", "")]
