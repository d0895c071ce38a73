"""Engine processes find rows by index, whatever the statistics say."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from jobs import planner


@pytest.fixture
def engine_process():
    planner.prefer_indexes()
    connection.close()
    yield
    connection_created.disconnect(dispatch_uid="jobs.planner")
    connection.close()


@pytest.mark.ledger("postgresql")
@pytest.mark.django_db(transaction=True)
def test_an_engine_process_reads_no_whole_table_where_an_index_serves(engine_process):
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("off",)
        cursor.execute("EXPLAIN SELECT 1 FROM jobs_run WHERE job_id = 1 AND status = 'queued' LIMIT 1")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Index" in plan
        assert "Seq Scan" not in plan


@pytest.mark.ledger("sqlite", "mysql")
@pytest.mark.django_db(transaction=True)
def test_other_ledgers_connect_as_ever(engine_process):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
