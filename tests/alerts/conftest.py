"""What every test of alerts begins with."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from alerts.shelf import shelf
from tests.alerts import postrows, rows
from tests.alerts.rows import MINUTE, NOW


@pytest.fixture(autouse=True)
def _empty_shelf():
    """Numbers of tenants come again in the next test."""
    shelf.clear()


@pytest.fixture(autouse=True)
def _events_do_not_age(monkeypatch):
    """Those of the tests are of one fixed day, whenever the tests run."""
    monkeypatch.setattr("alerts.consume.OLDEST", timedelta(days=36_500))
    monkeypatch.setattr("alerts.shelf.MOST_LATE", timedelta(days=36_500))


@pytest.fixture
def job():
    return rows.sql_job()


@pytest.fixture
def ops(job):
    return rows.channel(job)


@pytest.fixture
def at(monkeypatch):
    """Put the engine's clock to so many minutes after NOW."""

    def put(minute: float):
        monkeypatch.setattr("jobs.dbclock.now", lambda: NOW + minute * MINUTE)

    put(0)
    return put


@pytest.fixture
def witness() -> Iterator[type[postrows.Witness]]:
    """The channel kind of `postrows`, with an empty memory."""
    postrows.register()
    yield postrows.Witness
    postrows.forget()
