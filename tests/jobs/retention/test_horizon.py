"""From a time to an id."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs import dbclock
from jobs.models import Run
from jobs.retention.horizon import id_before
from tests.jobs import rows as make
from tests.jobs.retention.history import aged

pytestmark = pytest.mark.django_db


def test_without_rows_there_is_no_id() -> None:
    assert id_before(Run, "created_at", dbclock.now()) == 0


@pytest.mark.parametrize("days", [0, 1, 5.5, 9, 20, 21])
def test_the_bound_parts_older_from_younger_rows(days: float) -> None:
    job = make.job()
    runs = [aged(job, 20 - day) for day in range(20)]
    for gap in (3, 4, 11):
        runs[gap].delete()
    moment = dbclock.now() - timedelta(days=days)

    bound = id_before(Run, "created_at", moment)

    left = Run.objects.order_by("pk")
    assert all(run.created_at <= moment for run in left.filter(pk__lt=bound))
    assert all(run.created_at > moment for run in left.filter(pk__gte=bound))
