"""`why TENANT/SLUG`: why a job ran, did not run or will run at a minute, or the story of one run."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from jobs import reasons
from jobs.admin.why_page import asked_moment
from jobs.management.commands.run_job import find_job
from jobs.models import Job, Run
from jobs.why import Explanation, Mark, default_moment, explain, explain_run

SIGNS = {Mark.PASSED: "✓", Mark.FAILED: "✗", Mark.UNKNOWN: "?", Mark.NOT_APPLICABLE: "–"}


class Command(BaseCommand):
    """Whoever can start it operates the machine, so that it also names workers and their figures."""

    help = "Say why a job ran or did not run: why TENANT/SLUG [--at TIME | --run ID] [--json]"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", metavar="TENANT/SLUG")
        parser.add_argument(
            "--at", default="", metavar="TIME", help="a minute, such as 2026-11-21T09:00; past or future"
        )
        parser.add_argument("--run", type=int, default=0, metavar="ID", help="the number of a run of the job")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        job = find_job(options["job"])
        if options["run"]:
            about: dict[str, Any] = {"job": options["job"], "run": options["run"]}
            found = explain_run(find_run(job, options["run"]), is_platform=True)
        else:
            at = find_moment(options["at"]) or default_moment(job)
            about = {"job": options["job"], "at": at.isoformat()}
            found = explain(job, at, is_platform=True)
        if options["json"]:
            self.stdout.write(json.dumps({**about, **found.as_json()}, ensure_ascii=False))
            return
        if "at" in about:
            self.stdout.write(reasons.time_text(datetime.fromisoformat(about["at"])))
        self.stdout.write("\n".join(lines_of(found)))


def find_run(job: Job, number: int) -> Run:
    run = job.runs.select_related("job", "tenant", "revision", "schedule", "requested_by").filter(pk=number).first()
    if run is None:
        raise CommandError(_("The job has no run #%(number)d.") % {"number": number})
    return run


def find_moment(text: str) -> datetime | None:
    moment, problem = asked_moment(text)
    if problem:
        raise CommandError(problem)
    return moment


def lines_of(found: Explanation) -> list[str]:
    """The headline, then the checks by part; ► points at the one that decided."""
    lines = [found.headline]
    for part, checks in found.parts():
        lines += ["", str(part.label)]
        for check in checks:
            sign = "►" if check is found.decisive else " "
            lines.append(f"{sign} {SIGNS[check.mark]} {check.text}")
            if check.advice:
                lines.append(f"    → {check.advice}")
    return lines
