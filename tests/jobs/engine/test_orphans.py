"""A run that nobody executes although the ledger says so is given back, at the second look."""

from __future__ import annotations

import pytest

from jobs.engine.orphans import Orphans
from jobs.states import RunStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


def test_what_is_missing_twice_is_given_back():
    node, orphans = rows.node(), Orphans()
    run = rows.queued(rows.job())
    rows.take(node)
    orphans.release(node, ())
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
    orphans.release(node, ())
    run.refresh_from_db()
    assert (run.status, run.released_count) == (RunStatus.QUEUED, 1)


def test_what_has_become_known_in_between_goes_on():
    node, orphans = rows.node(), Orphans()
    run = rows.queued(rows.job())
    taken = rows.take(node)
    orphans.release(node, ())
    orphans.release(node, {taken.attempt.pk})
    orphans.release(node, ())
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
