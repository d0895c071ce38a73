"""Starts everything on this machine: `manage.py up`, behind `make run`."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from portal.supervisor.errors import StartError, sentence
from portal.supervisor.prepare import prepare


class Command(BaseCommand):
    help = (
        "Starts broker, web, worker and beat on this machine, restarts what dies, and stops all on Ctrl-C. "
        "PORT, BIND, DATA_DIR, DATABASE_URL and CELERY_BROKER_URL override the embedded defaults."
    )
    # The keys are made by this command; the checks run in the process that has them.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--prepare-only",
            action="store_true",
            help="migrate, collect static files, seed the demo, and exit; needs the portal's environment",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if not options["prepare_only"]:
                self._supervise()
            self._prepare()
        except StartError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"The database can't be used: {str(error).strip().splitlines()[0]}") from None
        except OSError as error:
            raise CommandError(sentence(error)) from None

    def _prepare(self) -> None:
        self.check(fail_level=40)
        prepare(self._say)

    def _supervise(self) -> None:
        """This process becomes the supervisor: same pid, same terminal, a fifth of the memory."""
        self.stdout.flush()
        os.environ["DATA_DIR"] = str(settings.DATA_DIR)
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "portal.supervisor"])  # noqa: S606 - our own

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
