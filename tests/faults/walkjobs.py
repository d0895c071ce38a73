"""The jobs of the random walk, and what the walk does to them; runs inside the stack's shell."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.witness import Witness

PYTHON = """
import os, time
def say(word):
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    line = f"{{word}} {{os.environ['PORTAL_RUN_ID']}} {{os.environ['PORTAL_ATTEMPT']}} {{os.getpid()}} {{up:.2f}}\\n"
    with open({path!r}, "a") as file:
        file.write(line)
say("start")
time.sleep(0.5)
say("end")
"""
RETRY = {"max": 2, "backoff": "fixed", "base": "1s"}


def definitions(witness: Witness) -> list[dict[str, Any]]:
    """One job of each kind of life."""
    python = {"script": PYTHON.format(path=str(witness.path))}
    return [
        witness.job("fast", every="1s"),
        witness.job("slow", 3, every="2s"),
        witness.job("line", 1, every="2s", overlap="queue", overlap_limit=5),
        witness.job("three", 2, every="1s", overlap="allow", overlap_limit=3, misfire="catch_up", grace=2),
        witness.job("newest", 4, every="3s", overlap="cancel_previous"),
        witness.job("fails", 0.5, code=2, every="4s", retry=RETRY),
        witness.job("refuses", code=1, every="5s", misfire="skip", grace=2),
        {"slug": "python", "kind": "python", "params": python, "every": "3s", "overlap": "allow", "overlap_limit": 2},
        witness.job("once", 2, every="4s", is_idempotent=False),
        witness.job("endless", 6, every="5s", timeout="2s", retry={"max": 1, "backoff": "fixed", "base": "1s"}),
        witness.job("leaves", 0.5, every="5s", body="setsid sleep 300 >/dev/null 2>&1 &"),
        witness.job("asked", 5, overlap="allow", overlap_limit=4),
    ]


def ask(slug: str, count: int) -> None:
    from tests.stackrows import request

    request(slug, count)


def cancel(nth: int) -> None:
    """Some run that has not ended."""
    from jobs.models import Run
    from jobs.runs import cancel_run
    from jobs.states import ACTIVE

    runs = list(Run.objects.filter(status__in=ACTIVE).order_by("pk"))
    if runs:
        run = runs[nth % len(runs)]
        print(json.dumps({"run": run.pk, "done": cancel_run(run, actor=None)}))


def switch(slug: str, is_enabled: bool) -> None:
    from jobs.catalog import disable_job, enable_job
    from jobs.models import Job

    (enable_job if is_enabled else disable_job)(Job.objects.get(slug=slug), actor=None)


def edit(slug: str, seconds: float, folder: str) -> None:
    """A new revision: a shell job takes another time, another job another description."""
    from pathlib import Path

    from jobs.catalog import update_job
    from jobs.models import Job

    job = Job.objects.get(slug=slug)
    assert job.revision is not None
    wanted = dict(job.revision.definition)
    if wanted["kind"] == "shell" and slug == "asked":
        wanted["params"]["script"] = Witness(Path(folder)).job(slug, seconds)["params"]["script"]
    wanted["description"] = f"takes {seconds} s"
    update_job(job, actor=None, definition=wanted)


def forge(count: int, queue: str) -> None:
    """Bells for a queue that may not exist, and senseless ones."""
    from celery import current_app

    for number in range(count):
        current_app.send_task("jobs.work", args=[[queue], [queue, 1], [None], []][number % 4], queue="default")


def limit(most: int) -> None:
    from tests.stackrows import limit_running

    limit_running(most)
