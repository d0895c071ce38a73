"""`backfill TENANT/JOB --from … --to …`: run a job for the instants of a period; or cancel a backfill."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import backfills, dbclock
from jobs.backfillplan import MOST_INSTANTS, Direction, Plan
from jobs.backfills import BackfillRefusedError, Wish
from jobs.management.commands.run_job import find_actor, find_job, parse_params
from jobs.models import Backfill, Job, Schedule
from jobs.periods import PeriodError, read_moment
from jobs.runparams import RunParamsError
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.triggers import CRON, parse_trigger
from jobs.timetable import stored_trigger

SHOWN = 20


class Command(BaseCommand):
    help = "Run a job for each instant of a period: backfill TENANT/JOB --from 2026-11-01 --to 2026-11-07 [--dry-run]"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", metavar="TENANT/JOB", nargs="?", default="")
        parser.add_argument("--from", dest="since", default="", help="2026-11-01, or 2026-11-01T09:30[+08:00]")
        parser.add_argument("--to", dest="until", default="", help="a day alone is included; a moment is not")
        parser.add_argument("--schedule", type=int, help="the id of one of the job's schedules; else its only one")
        parser.add_argument("--cron", default="", help="fire times of this expression instead of a schedule's")
        parser.add_argument("--timezone", default="", help="for --cron; the portal's when it is not given")
        parser.add_argument("--order", choices=Direction.values, default=Direction.OLDEST)
        parser.add_argument("--limit", type=int, default=MOST_INSTANTS)
        parser.add_argument("--parallel", type=int, default=1, help="so many at once, as far as the job allows (1)")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="may hold {date}")
        parser.add_argument("--again", action="store_true", help="also what has succeeded already")
        parser.add_argument("--dry-run", action="store_true", help="only say what would run")
        parser.add_argument("--as", dest="username", default="", help="act as this user (needs the right to run)")
        parser.add_argument("--cancel", type=int, metavar="ID", help="release no more of this backfill")
        parser.add_argument("--running", action="store_true", help="with --cancel: also what runs already")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["cancel"] is not None:
            self._cancel(options)
            return
        job = find_job(options["job"])
        try:
            wish = self._wish(job, options)
            if options["dry_run"]:
                self._preview(backfills.plan_range(job, wish), wish.zone)
                return
            made = backfills.create_range(job, wish, actor=find_actor(options["username"], job))
        except (BackfillRefusedError, PeriodError, RunParamsError, TriggerError) as error:
            raise CommandError(str(error)) from error
        words = _("Backfill %(backfill)s was created: %(count)d instants, a few at a time.")
        self.stdout.write(words % {"backfill": made, "count": made.total_count})

    def _wish(self, job: Job, options: dict[str, Any]) -> Wish:
        if not options["since"] or not options["until"]:
            raise CommandError(_("Give the period: --from 2026-11-01 --to 2026-11-07."))
        common: dict[str, Any] = {
            "direction": options["order"],
            "limit": options["limit"],
            "max_parallel": options["parallel"],
            "params": parse_params(options["param"]),
            "again": options["again"],
        }
        if options["cron"]:
            name = options["timezone"] or settings.TIME_ZONE
            trigger: Any = parse_trigger(CRON, options["cron"], name, dbclock.now())
            common["expression"] = options["cron"]
        else:
            schedule = self._schedule(job, options["schedule"])
            name = schedule.timezone or settings.TIME_ZONE
            trigger = stored_trigger(schedule)
            common |= {"schedule": schedule, "expression": schedule.expression}
        zone = ZoneInfo(name)
        since, until = read_moment(options["since"], zone), read_moment(options["until"], zone, is_end=True)
        return Wish(since=since, until=until, trigger=trigger, timezone=name, **common)

    def _schedule(self, job: Job, pk: int | None) -> Schedule:
        rows = list(job.schedules.order_by("pk"))
        chosen = [row for row in rows if pk in (None, row.pk)]
        if not chosen:
            raise CommandError(_("The job has no schedule like that: name one with --schedule, or give --cron."))
        if len(chosen) > 1:
            known = ", ".join(f"{row.pk} ({row.expression})" for row in rows)
            raise CommandError(
                _("The job has several schedules: choose one with --schedule: %(known)s.") % {"known": known}
            )
        return chosen[0]

    def _preview(self, plan: Plan, name: str) -> None:
        zone = ZoneInfo(name)
        count = len(plan.instants)
        self.stdout.write(ngettext("%(n)d instant would run.", "%(n)d instants would run.", count) % {"n": count})
        for instant in plan.instants[:SHOWN]:
            self.stdout.write(f"  {instant.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}")
        if count > SHOWN:
            self.stdout.write("  …")
        if plan.already:
            self.stdout.write(_("Left out, because they have run or wait already: %(n)d.") % {"n": plan.already})
        if plan.left_out:
            self.stdout.write(_("Left out by the limit: %(n)d.") % {"n": plan.left_out})

    def _cancel(self, options: dict[str, Any]) -> None:
        found = Backfill.objects.filter(pk=options["cancel"]).select_related("job").first()
        if found is None:
            raise CommandError(_("There is no backfill #%(pk)d.") % {"pk": options["cancel"]})
        actor = find_actor(options["username"], found.job)
        if backfills.cancel_backfill(found, actor=actor, running=options["running"]):
            self.stdout.write(_("Backfill %(backfill)s was cancelled.") % {"backfill": found})
        else:
            self.stdout.write(_("Backfill %(backfill)s had ended already.") % {"backfill": found})
