"""Results on disk while the ledger is away."""

import json
from dataclasses import replace

import pytest
from django.db import DataError, OperationalError

from jobs.engine import execute
from jobs.engine import finish as finish_module
from jobs.engine import spool as spool_module
from jobs.engine.desk import Desk, Served, Turn
from jobs.engine.finish import Ending, Finished, finish
from jobs.engine.spool import Spool
from jobs.engine.worker import Worker
from jobs.models import Attempt, LogChunk, Run
from jobs.states import AttemptStatus, RunStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def finished():
    rows.queued(rows.job())
    claimed = rows.take(rows.node())
    chunk = LogChunk(attempt=claimed.attempt, seq=1, stream="stdout", at=claimed.run.started_at, text="héllo\n")
    ending = Ending(
        status=AttemptStatus.SUCCEEDED, exit_code=0, outputs={"rows": "3"}, result={"a": [1]}, cpu_seconds=0.5, pid=42
    )
    return Finished(run=claimed.run, attempt=claimed.attempt, ending=ending, chunks=[chunk])


def test_a_kept_result_comes_back_whole(spool, finished):
    spool.keep(finished)
    assert spool.attempts() == {finished.attempt.pk}
    assert spool.replay() == 1
    run, attempt = Run.objects.get(), Attempt.objects.get()
    assert (run.status, run.outputs, run.result) == (RunStatus.SUCCEEDED, {"rows": "3"}, {"a": [1]})
    assert (attempt.cpu_seconds, attempt.pid, attempt.exit_code) == (0.5, 42, 0)
    assert [chunk.text for chunk in LogChunk.objects.all()] == ["héllo\n"]
    assert spool.attempts() == set()


def test_bringing_it_twice_changes_nothing(spool, finished, tmp_path):
    spool.keep(finished)
    kept = next((tmp_path / "spool").iterdir())
    copy = kept.read_text()
    spool.replay()
    before = Run.objects.values().get()
    kept.write_text(copy)
    assert spool.replay() == 0
    assert Run.objects.values().get() == before
    assert LogChunk.objects.count() == 1
    assert not kept.exists()


def test_chunks_that_had_arrived_are_not_stored_twice(spool, finished):
    LogChunk.objects.bulk_create(finished.chunks)
    finished.chunks[0].pk = None
    spool.keep(finished)
    assert spool.replay() == 1
    assert LogChunk.objects.count() == 1


def test_a_run_that_was_taken_over_stays_with_its_new_worker(spool, finished):
    spool.keep(finished)
    finish(finished.run, finished.attempt, Ending(status=AttemptStatus.LOST, reason_code="worker_lost"))
    again = rows.take(rows.node("w2"))
    assert spool.replay() == 0
    run = Run.objects.get()
    assert (run.status, run.token) == (RunStatus.RUNNING, again.attempt.token)


def test_a_file_that_cannot_be_read_is_put_aside_and_stops_nobody(spool, finished, tmp_path):
    spool.keep(finished)
    (tmp_path / "spool" / "7.result.json").write_text("{half")
    assert spool.replay() == 1
    assert [path.suffix for path in (tmp_path / "spool").iterdir()] == [".bad"]


def test_a_file_is_for_the_portals_user_alone(spool, finished, tmp_path):
    spool.keep(finished)
    path = next((tmp_path / "spool").iterdir())
    assert (path.stat().st_mode & 0o077, path.parent.stat().st_mode & 0o077) == (0, 0)
    assert json.loads(path.read_text())["ending"]["status"] == "succeeded"


def test_a_result_of_a_deleted_run_is_dropped(spool, finished):
    spool.keep(finished)
    Run.objects.all().delete()
    assert spool.replay() == 0
    assert spool.attempts() == set()


class Closed(Desk):
    """Answers every result with what the database said instead of keeping it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(lambda queue, count: [])
        self._error = error

    def turn(self, turn: Turn) -> Served:
        return Served(unsettled=self._error)


def away(spool: Spool, error: Exception) -> Worker:
    """A worker whose ledger does not answer when a result is handed in."""
    made = Worker(name="t", queues=["default"], capacity=1)
    made.spool, made.desk = spool, Closed(error)
    return made


def test_a_slot_keeps_its_result_when_the_ledger_is_away(spool, finished):
    assert execute._hand_in(away(spool, OperationalError("gone")), "default", finished) is None
    assert spool.attempts() == {finished.attempt.pk}
    assert Run.objects.get().status == RunStatus.RUNNING


def test_a_payload_the_ledger_refuses_is_dropped_and_the_outcome_stays(spool, finished):
    execute._hand_in(away(spool, ValueError("no JSON")), "default", finished)
    run = Run.objects.get()
    assert (run.status, run.result, run.outputs) == (RunStatus.SUCCEEDED, None, {})
    assert "could not be stored" in LogChunk.objects.get().text
    assert spool.attempts() == set()


def test_an_end_the_ledger_refuses_altogether_is_a_plain_failure(spool, finished, monkeypatch):
    monkeypatch.setattr(finish_module, "_settlement", once(finish_module._settlement, ValueError("odd")))
    execute._hand_in(away(spool, ValueError("no JSON")), "default", finished)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.reason_code) == (AttemptStatus.TECHNICAL_FAILURE, "internal")


def once(real, error):
    """`real`, but for its first call."""
    errors = [error]

    def call(*args):
        if errors:
            raise errors.pop()
        return real(*args)

    return call


def test_a_kept_result_that_is_refused_stops_nobody(spool, finished, monkeypatch):
    spool.keep(finished)
    monkeypatch.setattr(spool_module, "finish_many", refused(DataError("what is this?")))
    assert spool.replay() == 1
    assert (Run.objects.get().status, Run.objects.get().result) == (RunStatus.SUCCEEDED, None)
    assert spool.attempts() == set()


def test_what_only_this_result_makes_the_ledger_drop_is_refused_in_the_end(spool, finished, monkeypatch):
    spool.keep(finished)
    monkeypatch.setattr(spool_module, "finish_many", refused(OperationalError(1153, "packet too large")))
    for _time in range(2):
        with pytest.raises(OperationalError):
            spool.replay()
    monkeypatch.setattr(spool_module, "_is_ledger_there", lambda: False)
    with pytest.raises(OperationalError):
        spool.replay()
    monkeypatch.setattr(spool_module, "_is_ledger_there", lambda: True)
    assert spool.replay() == 1
    assert Run.objects.get().status == RunStatus.SUCCEEDED


def refused(error):
    def call(items):
        raise error

    return call


def test_half_a_letter_is_kept_and_brought(spool, finished):
    """json.dump in UTF-8 would not take it, and the run would be executed again."""
    spool.keep(replace(finished, ending=replace(finished.ending, outputs={"half": "\ud83d"})))
    assert spool.replay() == 1
    assert Run.objects.get().status == RunStatus.SUCCEEDED


def test_a_foreign_file_is_no_attempt(spool, finished, tmp_path):
    spool.keep(finished)
    (tmp_path / "spool" / "copy of 7.result.json").write_text("{}")
    assert spool.attempts() == {finished.attempt.pk}
