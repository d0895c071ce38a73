"""A rolling restart, with a migration in the middle: what runs goes on, what waits is taken by the new processes."""

from __future__ import annotations

import pytest

from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.faults]
MIGRATION = """
from django.db import connection, models
from jobs.models import Attempt, Run
for model in (Run, Attempt):
    field = models.CharField(max_length=20, null=True)
    field.set_attributes_from_name("of_the_next_release")
    with connection.schema_editor() as editor:
        editor.add_field(model, field)
"""


@pytest.mark.environ(PORTAL_DRAIN_SECONDS="15")
def test_runs_go_on_through_a_migration_and_a_rolling_restart(stack, witness):
    stack.add_jobs(
        witness.job("often", every="1s", overlap="allow", overlap_limit=50),
        *(witness.job(f"long-{n}", 6) for n in range(2)),
    )
    stack.start_worker("w1")
    stack.start_worker("w2")
    stack.start_beat("beat1")
    runs = [stack.request(f"long-{n}")[0] for n in range(2)]
    wait_for(lambda: set(runs) <= set(witness.starts()), "the scripts")
    stack.shell(MIGRATION)
    before = len(witness.starts())
    wait_for(lambda: len(witness.starts()) >= before + 3, "runs of the old processes on the new tables")
    stack.start_beat("beat2")
    stack.stop("beat1")
    for name in ("w1", "w2"):
        stack.stop(name)
        stack.start_worker(name)
    before = len(witness.starts())
    wait_for(lambda: len(witness.starts()) >= before + 3, "runs of the new processes")
    assert [stack.status_of(run) for run in runs] == ["succeeded"] * 2
    assert len(witness.starts()) == len(set(witness.starts()))
    assert stack.value("SELECT count(*) FROM jobs_run WHERE lost_count > 0") == 0
