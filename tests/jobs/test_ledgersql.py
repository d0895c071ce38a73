"""Many rows in one statement give exactly what the ORM gives for each, on each database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs.ledgersql import insert_many, update_many
from jobs.models import Attempt, Job, Run, RunEvent, Schedule
from jobs.states import RunStatus
from tests.jobs import rows

pytestmark = pytest.mark.django_db
T0 = rows.NOW
ODD_TEXTS = ["", "it's “quoted” \\ %s %(x)s", "发薪日 🚀", '{"a": 1}', "null", "[1]"]


def statements(act: Any) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        act()
    return len(seen)


def test_every_type_comes_out_as_the_orm_writes_it():
    job = rows.job()
    runs = [rows.run(job) for _ in range(4)]
    values: list[dict[str, Any]] = [
        {"outputs": {"a": [1, "发薪日", None]}, "result": [1], "ended_at": T0, "exit_code": -9, "reason": ODD_TEXTS[1]},
        {"outputs": {}, "result": None, "ended_at": None, "exit_code": None, "reason": ODD_TEXTS[2]},
        {"outputs": {"a": "null"}, "result": "text", "ended_at": T0 + timedelta(microseconds=7), "exit_code": 0,
         "reason": "null"},
        {"outputs": {"b": True}, "result": {"k": 1.5}, "ended_at": T0, "exit_code": 2**31 - 1, "reason": ODD_TEXTS[3]},
    ]  # fmt: skip
    columns = list(values[0])
    done = update_many(
        Run, ["id"], columns, [(run.pk, *value.values()) for run, value in zip(runs, values, strict=True)]
    )
    assert sorted(done) == [run.pk for run in runs]
    for run, value in zip(runs, values, strict=True):
        assert Run.objects.values(*columns).get(pk=run.pk) == value
        assert Run.objects.filter(pk=run.pk, result__isnull=True).exists() == (value["result"] is None)
        if value["ended_at"]:
            assert Run.objects.filter(pk=run.pk, ended_at=value["ended_at"]).exists()


def test_durations_booleans_and_big_numbers_too():
    schedules = [rows.schedule(rows.job(f"j{place}")) for place in range(2)]
    update_many(
        Schedule,
        ["id"],
        ["grace", "is_enabled", "next_fire_at"],
        [(schedules[0].pk, timedelta(days=1, microseconds=3), False, None), (schedules[1].pk, timedelta(0), True, T0)],
    )
    found = Schedule.objects.order_by("pk").values_list("grace", "is_enabled", "next_fire_at")
    assert list(found) == [(timedelta(days=1, microseconds=3), False, None), (timedelta(0), True, T0)]
    attempt = rows.attempt(rows.run(rows.job("big")))
    update_many(Attempt, ["id"], ["log_bytes", "cpu_seconds", "log_truncated"], [(attempt.pk, 2**53 + 1, 0.1, True)])
    attempt.refresh_from_db()
    assert (attempt.log_bytes, attempt.cpu_seconds, attempt.log_truncated) == (2**53 + 1, 0.1, True)


def test_a_column_of_nothing_but_null_keeps_its_type():
    run = rows.run(rows.job(), result={"a": 1})
    update_many(Run, ["id"], ["ended_at", "schedule_id", "result"], [(run.pk, None, None, None)])
    assert Run.objects.filter(ended_at__isnull=True, schedule__isnull=True, result__isnull=True).count() == 1


def test_only_rows_that_pass_the_guard_are_updated_and_named():
    job = rows.job()
    held = rows.run(job, RunStatus.RUNNING, token=3)
    fenced = rows.run(job, RunStatus.RUNNING, token=4)
    ended = rows.run(job, token=3)
    done = update_many(
        Run,
        ["id", "token"],
        ["exit_code"],
        [(run.pk, 3, 7) for run in (held, fenced, ended)],
        where={"status": RunStatus.RUNNING},
        same={"status": RunStatus.SUCCEEDED, "lease_until": None},
    )
    assert done == [held.pk]
    assert list(Run.objects.filter(exit_code=7).values_list("pk", "status", "lease_until")) == [
        (held.pk, RunStatus.SUCCEEDED, None)
    ]


def test_nothing_to_do_asks_nothing():
    assert statements(lambda: update_many(Run, ["id"], ["exit_code"], [])) == 0
    assert statements(lambda: insert_many(RunEvent, ["run_id"], [])) == 0


def test_rows_that_do_not_fit_the_columns_are_refused():
    run = rows.run(rows.job())
    with pytest.raises(ValueError, match="3 values for 2 columns"):
        update_many(Run, ["id"], ["exit_code"], [(run.pk, 1, 2)])
    with pytest.raises(ValueError, match="shorter"):
        update_many(Run, ["id"], ["exit_code"], [(run.pk, 1), (run.pk,)])


def test_many_rows_cost_as_many_statements_as_one():
    job = rows.job()
    runs = [rows.run(job) for _ in range(30)]
    one = statements(lambda: update_many(Run, ["id"], ["exit_code"], [(runs[0].pk, 1)]))
    many = statements(lambda: update_many(Run, ["id"], ["exit_code"], [(run.pk, run.pk % 5) for run in runs]))
    assert many == one <= 2
    assert [run.exit_code for run in Run.objects.order_by("pk")] == [run.pk % 5 for run in runs]


def fire(job: Job, key: str, **fields: Any) -> list[Any]:
    values = {"dedupe_key": key, "params": {"k": key}, "status": RunStatus.QUEUED, **fields}
    return list(values.values())


FIRE = ["dedupe_key", "params", "status"]


def same(job: Job) -> dict[str, Any]:
    moments = dict.fromkeys(["scheduled_for", "not_before", "created_at"], T0)
    ids = {"tenant_id": job.tenant_id, "job_id": job.pk, "revision": job.revision_id}
    return {**ids, **moments, "origin": "schedule", "queue": "default"}


def insert(job: Job, *keys: str) -> dict[str, int]:
    made = insert_many(
        Run,
        FIRE,
        [fire(job, key) for key in keys],
        same=same(job),
        unique="dedupe_key",
        returning=["id", "dedupe_key"],
    )
    return {key: pk for pk, key in made}


def test_inserted_rows_are_whole_with_the_models_defaults():
    job = rows.job()
    made = insert(job, *ODD_TEXTS[1:])
    fresh = Run(**same(job) | {"revision": job.revision}, dedupe_key="orm", params={"k": "orm"}, status="queued")
    fresh.save()
    left_out = {"id", "dedupe_key", "params", "claim_order_at"}
    expected = {name: value for name, value in Run.objects.values().get(pk=fresh.pk).items() if name not in left_out}
    for key, pk in made.items():
        row = Run.objects.values().get(pk=pk)
        assert (row["dedupe_key"], row["params"]) == (key, {"k": key})
        assert {name: value for name, value in row.items() if name not in left_out} == expected
        assert row["claim_order_at"] is not None


def test_a_row_that_is_there_already_is_left_alone_and_not_returned():
    job = rows.job()
    first = insert(job, "a", "b")
    assert set(first) == {"a", "b"}
    assert set(insert(job, "b", "c", "a")) == {"c"}
    assert Run.objects.count() == 3
    assert Run.objects.get(dedupe_key="a").pk == first["a"]


def test_without_unique_a_conflict_raises():
    job = rows.job()
    insert(job, "a")
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_many(Run, FIRE, [fire(job, "a")], same=same(job))


@pytest.mark.ledger("postgresql", "mysql")  # SQLite keeps no lengths
def test_a_text_too_long_for_its_column_is_refused_not_cut():
    run = rows.run(rows.job())
    with pytest.raises(DatabaseError), transaction.atomic():
        update_many(Run, ["id"], ["queue"], [(run.pk, "x" * 51)])


@pytest.mark.ledger("mysql")
def test_mysql_without_returning_finds_its_new_rows_again(monkeypatch):
    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    job = rows.job()
    first = insert(job, "a", "b")
    assert set(first) == {"a", "b"}
    assert set(insert(job, "b", "c")) == {"c"}
    with pytest.raises(ValueError, match="no RETURNING"):
        insert_many(Run, FIRE, [fire(job, "d")], same=same(job), returning=["id"])
