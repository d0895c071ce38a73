"""The database's clock is taken from a quick answer, and making a connection is no part of one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from jobs import dbclock
from tests.jobs import rows as base

T0 = base.NOW


class Machine:
    """A boot clock by hand, and a database whose answers take as long as `takes` says, half before and half after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *takes: float, connecting: float = 0.0) -> None:
        self.boot, self.takes, self.connecting = 0.0, list(takes), connecting
        monkeypatch.setattr(dbclock, "boot_seconds", lambda: self.boot)
        monkeypatch.setattr(dbclock, "ask_database", self.ask)
        monkeypatch.setattr(connection, "ensure_connection", self.connect)

    def connect(self) -> None:
        self.boot += self.connecting

    def ask(self):
        """The answer is of the moment at which the database has got the question; it comes back late."""
        took = self.takes.pop(0)
        at = T0 + timedelta(seconds=self.boot + took * 0.1)
        self.boot += took
        return at


def error(machine: Machine) -> float:
    """Seconds by which the clock is ahead."""
    clock = dbclock.DatabaseClock()
    return (clock.now() - T0).total_seconds() - machine.boot


def test_making_a_connection_is_no_part_of_the_answer(monkeypatch):
    assert error(Machine(monkeypatch, 0.001, connecting=0.2)) == pytest.approx(0, abs=0.001)


def test_a_slow_answer_is_asked_for_again_and_the_quickest_counts(monkeypatch):
    machine = Machine(monkeypatch, 0.3, 0.02, 0.1)
    assert error(machine) == pytest.approx(0, abs=0.01)
    assert machine.takes == []


def test_a_quick_answer_is_enough(monkeypatch):
    machine = Machine(monkeypatch, 0.001, 0.001)
    error(machine)
    assert machine.takes == [0.001]
