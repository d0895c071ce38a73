"""`run_job TENANT/SLUG`: ask for a run, and follow it with --wait."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from accounts.models import User
from jobs import dbclock, reasons
from jobs.models import Job, LogChunk, Run, WorkerNode
from jobs.runparams import RunParamsError
from jobs.runs import RunRefusedError, create_run, create_run_despite_freeze
from jobs.states import ACTIVE, Origin, RunStatus

POLL_SECONDS = 0.25
EXIT_CODES = {RunStatus.SUCCEEDED: 0, RunStatus.BUSINESS_FAILURE: 1}
SILENT_WORKER_SECONDS = 180


class Command(BaseCommand):
    """Exit code with --wait: 0 succeeded, 1 business failure, 2 anything else."""

    help = "Run a job now: run_job TENANT/SLUG [--wait] [--json] [--param name=value …]"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", metavar="TENANT/SLUG")
        parser.add_argument("--wait", action="store_true", help="follow the log until the run has ended")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of the log")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
        parser.add_argument("--as", dest="username", default="", help="act as this user (needs the right to run)")
        parser.add_argument("--despite-freeze", action="store_true", help="run it although a change freeze is in force")
        parser.add_argument("--key", default="", help="an idempotency key: the same key gives the same run")

    def handle(self, *args: Any, **options: Any) -> None:
        job = find_job(options["job"])
        key = f"api:{job.pk}:{options['key']}"[:191] if options["key"] else ""
        try:
            run = (create_run_despite_freeze if options["despite_freeze"] else create_run)(
                job,
                origin=Origin.API if key else Origin.MANUAL,
                actor=find_actor(options["username"], job),
                params=parse_params(options["param"]),
                dedupe_key=key,
            )
        except (RunRefusedError, RunParamsError) as error:
            raise CommandError(str(error)) from error
        if options["wait"]:
            self._wait(run, quiet=options["json"])
        run.refresh_from_db()
        self.stdout.write(json.dumps(facts(run), ensure_ascii=False) if options["json"] else sentence(run))
        if options["wait"]:
            sys.exit(EXIT_CODES.get(RunStatus(run.status), 2))

    def _wait(self, run: Run, *, quiet: bool) -> None:
        seen: tuple[int, int] = (0, 0)
        warned = False
        began = time.monotonic()
        while True:
            run.refresh_from_db()
            ended = run.status not in ACTIVE
            if not quiet:
                seen = self._print_log(run, seen)
            if ended:
                return
            if not warned and time.monotonic() - began > 5 and run.status == RunStatus.QUEUED:
                warned = True
                self._say_why_it_waits(run)
            time.sleep(POLL_SECONDS)

    def _print_log(self, run: Run, seen: tuple[int, int]) -> tuple[int, int]:
        number, seq = seen
        chunks = LogChunk.objects.filter(attempt__run=run, attempt__number__gte=number).order_by(
            "attempt__number", "seq"
        )
        for chunk in chunks.select_related("attempt"):
            position = (chunk.attempt.number, chunk.seq)
            if position > (number, seq):
                self.stdout.write(chunk.text, ending="")
                number, seq = position
        self.stdout.flush()
        return number, seq

    def _say_why_it_waits(self, run: Run) -> None:
        fresh = WorkerNode.objects.filter(stopped_at=None).order_by("-last_seen_at").first()
        is_silent = fresh is None or (dbclock.now() - fresh.last_seen_at).total_seconds() > SILENT_WORKER_SECONDS
        if is_silent:
            words = _("No worker is running, so the run waits. Start one with `make run`.")
        else:
            words = reasons.of(run) or run.get_wait_reason_display() or _("The run waits for a free worker.")
        self.stderr.write(words)


def find_job(path: str) -> Job:
    """The job "tenant/slug", or a CommandError that says what is wrong."""
    tenant, slash, slug = path.partition("/")
    if not slash or not tenant or not slug:
        raise CommandError(_("Name the job as TENANT/SLUG, for example demo/daily-revenue."))
    job = Job.objects.filter(tenant__slug=tenant, slug=slug, archived_at=None).select_related("tenant").first()
    if job is None:
        raise CommandError(_("There is no job “%(job)s”. Check the tenant and the slug.") % {"job": path})
    return job


def find_actor(username: str, job: Job) -> User | None:
    """The user to act as; nobody means the operator of this machine."""
    from accounts.permissions import can

    if not username:
        return None
    user = User.objects.filter(username=username).first()
    if user is None or not can(user, "run", job):
        raise CommandError(_("“%(user)s” may not run this job.") % {"user": username})
    return user


def parse_params(pairs: list[str]) -> dict[str, str]:
    """["day=2026-01-01"] → {"day": "2026-01-01"}."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandError(_("Write a parameter as name=value; “%(text)s” is not.") % {"text": pair})
        values[name] = value
    return values


def facts(run: Run) -> dict[str, Any]:
    """The one JSON object of the public contract."""
    return {
        "run": run.pk,
        "status": run.status,
        "exit_code": run.exit_code,
        "attempts": [
            {
                "number": attempt.number,
                "status": attempt.status,
                "exit_code": attempt.exit_code,
                "started_at": attempt.started_at.isoformat(),
                "ended_at": attempt.ended_at.isoformat() if attempt.ended_at else None,
            }
            for attempt in run.attempts.order_by("number")
        ],
        "outputs": run.outputs,
        "reason_code": run.reason_code,
        "reason": reasons.of(run),
    }


def sentence(run: Run) -> str:
    label = run.get_status_display()
    words = reasons.of(run)
    return f"#{run.pk}: {label}" + (f" – {words}" if words else "")
