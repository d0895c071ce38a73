"""`watchdog`: looks at beat, the workers, the broker and the database from outside, for cron or systemd."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.translation import gettext as _

from jobs import dbclock, outages, watchdog
from jobs.models import Outage

EVERY_SECONDS = 15.0


class Command(BaseCommand):
    """Exit code of the last look: 0 all live, 1 something is silent."""

    help = "Looks at beat, workers, broker and database; a sentence for each that is silent, exit code 1 when one is."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one look, then exit; else it looks on until stopped")
        parser.add_argument(
            "--every", type=float, default=EVERY_SECONDS, metavar="SECONDS", help="between two looks (15)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        said: dict[str, str] = {}
        try:
            while True:
                found = look()
                for subject in [*found, *said]:
                    self._say(subject, said.get(subject, ""), found.get(subject, ""))
                said = found
                if options["once"]:
                    break
                time.sleep(max(options["every"], 1.0))
        except KeyboardInterrupt:
            pass
        if options["once"] and not said:
            self.stdout.write(_("All is well: beat, workers, broker and database live."))
        if said:
            sys.exit(1)

    def _say(self, subject: str, before: str, after: str) -> None:
        if after and after != before:
            self.stderr.write(after)
        elif before and not after:
            self.stdout.write(_("%(subject)s: back again.") % {"subject": outages.label(subject)})


def look() -> dict[str, str]:
    """Subject → a sentence, for each that is silent. What the ledger can take is recorded there."""
    found: dict[str, str] = {}
    broker_is_up = watchdog.reach_broker()
    if not broker_is_up:
        found[outages.Subject.BROKER] = _("The broker does not answer. Runs are kept and start when it is back.")
    try:
        dbclock.clock.reset()
        now = dbclock.now()
        watchdog.watch("watchdog", is_patient=False).look(now, broker_is_up=broker_is_up)
        for silence in watchdog.silences(now):
            found[silence.subject] = _sentence(silence)
    except DatabaseError as error:
        connection.close()
        words = _("The database does not answer: %(error)s")
        found[outages.Subject.DATABASE] = words % {"error": str(error).strip().partition("\n")[0]}
    return found


def _sentence(silence: watchdog.Silence) -> str:
    outage = Outage(subject=silence.subject, began_at=silence.began_at)
    return f"{outages.sentence(outage)} {outages.advice(outage)}"
