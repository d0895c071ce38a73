"""`prune_history`: delete what is older than it is kept, now, instead of waiting for the hourly round."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Tenant
from jobs import dbclock, retention
from jobs.models import Job
from jobs.retention import quota


class Command(BaseCommand):
    """Exit code 0 when the round was whole, 3 when another pruner is at work or the round was stopped."""

    help = "Delete runs and logs that are older than they are kept, and logs over a tenant's quota."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what is too old, delete nothing")
        parser.add_argument("--tenant", default="", help="only this tenant's history")
        parser.add_argument("--job", default="", help="only this job's: TENANT/SLUG, or SLUG with --tenant")
        parser.add_argument("--recount", action="store_true", help="first count every tenant's logs from the beginning")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = _Stop()
        limits = _limits(options["tenant"], options["job"], asked)
        if options["dry_run"]:
            self._tell(retention.would_delete(limits), is_dry=True, as_json=options["json"])
            return
        if options["recount"]:
            quota.recount(dbclock.now())
        with asked:
            report = retention.prune(limits)
        if report is None:
            raise CommandError("Another pruner is at work; it goes on without this one.", returncode=3)
        self._tell(report, is_dry=False, as_json=options["json"])
        if not report.is_complete:
            sys.exit(3)

    def _tell(self, report: retention.Report, *, is_dry: bool, as_json: bool) -> None:
        if as_json:
            names = dict(Tenant.objects.values_list("pk", "slug"))
            tenants = {names.get(pk, str(pk)): counts for pk, counts in report.tenants.items()}
            self.stdout.write(json.dumps({"dry_run": is_dry, **report.plain(), "tenants": tenants}))
            return
        verb = "Would delete" if is_dry else "Deleted"
        more = "" if is_dry else f", {report.quota_logs} logs over a quota, {report.nodes} workers long gone"
        size = report.log_bytes / 1024**2
        self.stdout.write(f"{verb} {report.runs} runs and {report.logs} logs ({size:.1f} MiB in all){more}.")
        if not report.is_complete:
            self.stdout.write("Stopped before the end; the next round goes on from here.")


class _Stop:
    """SIGINT and SIGTERM end the round after the transaction at hand."""

    def __init__(self) -> None:
        self.is_asked = False
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self.is_asked

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        self.is_asked = True


def _limits(tenant: str, job: str, should_stop: _Stop) -> retention.Limits:
    owner, _slash, slug = job.rpartition("/")
    owner = owner or tenant
    if tenant and owner != tenant:
        raise CommandError(f"The job {job} is not of the tenant {tenant}: name one of them.")
    if job and not owner:
        raise CommandError("Name the job as TENANT/SLUG.")
    found = Tenant.objects.filter(slug=owner).first() if owner else None
    if owner and found is None:
        raise CommandError(f"There is no tenant {owner}.")
    chosen = Job.objects.filter(tenant=found, slug=slug).first() if slug else None
    if slug and chosen is None:
        raise CommandError(f"There is no job {slug} in the tenant {owner}.")
    return retention.Limits(
        tenant_id=found.pk if found else None, job_id=chosen.pk if chosen else None, should_stop=should_stop
    )
