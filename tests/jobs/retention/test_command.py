"""`prune_history`."""

from __future__ import annotations

import json
import os
import signal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs.models import LogUsage, Run
from jobs.retention import Limits, rounds, rows
from tests.jobs import rows as make
from tests.jobs.retention.history import aged, kept, logged

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def days(settings: Any) -> None:
    settings.PORTAL_RUN_DAYS, settings.PORTAL_LOG_DAYS = 30, 3


def said(*args: str) -> str:
    out = StringIO()
    call_command("prune_history", *args, stdout=out)
    return out.getvalue()


def test_a_dry_run_says_what_would_go() -> None:
    job = make.job()
    run = logged(job, 40, "x" * 1024)
    aged(job, 0)
    assert said("--dry-run") == "Would delete 1 runs and 1 logs (0.0 MiB in all).\n"
    assert kept(run) == [0]


def test_it_deletes_and_says_so_in_json() -> None:
    job = make.job()
    run = logged(job, 40, "x" * 10)
    aged(job, 0)
    found = json.loads(said("--json"))
    assert (found["runs"], found["dry_run"], found["is_complete"]) == (1, False, True)
    assert found["tenants"] == {"acme": {"runs": 1, "logs": 1, "log_bytes": 10}}
    assert kept(run) == []


@pytest.mark.parametrize("args", [["--job", "acme/one"], ["--tenant", "acme", "--job", "one"]])
def test_it_can_be_told_one_job(args: list[str]) -> None:
    one, two = make.job("one"), make.job("two")
    runs = [aged(one, 40), aged(two, 40)]
    for job in (one, two):
        aged(job, 0)
    said(*args)
    assert kept(*runs) == [1]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--tenant", "nobody"], "There is no tenant nobody."),
        (["--job", "one"], "Name the job as TENANT/SLUG."),
        (["--job", "acme/none"], "There is no job none in the tenant acme."),
        (["--tenant", "rival", "--job", "acme/one"], "is not of the tenant rival"),
    ],
)
def test_a_wrong_name_is_refused(args: list[str], words: str) -> None:
    make.job("one")
    with pytest.raises(CommandError, match=words):
        said(*args)


def test_a_second_pruner_says_so_and_exits_3() -> None:
    assert rounds.Lease(Limits()).take()
    with pytest.raises(CommandError) as refused:
        said()
    assert refused.value.returncode == 3


def test_a_signal_ends_it_after_the_transaction_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make.job()
    runs = [aged(job, 40) for _ in range(3)]
    aged(job, 0)
    monkeypatch.setattr(rows, "BATCH", 1)
    real = rows.delete_runs

    def and_a_signal(ids: Any) -> int:
        done: int = real(ids)
        os.kill(os.getpid(), signal.SIGTERM)
        return done

    monkeypatch.setattr(rows, "delete_runs", and_a_signal)
    with pytest.raises(SystemExit) as left:
        said()
    assert left.value.code == 3
    assert kept(*runs) == [1, 2]
    assert Run.objects.count() == 3


def test_it_counts_from_the_beginning_when_asked() -> None:
    job = make.job()
    logged(job, 0, "abc")
    said("--recount")
    assert LogUsage.objects.get(tenant=job.tenant_id).stored_bytes == 3
