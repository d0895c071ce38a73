"""`post_office`: makes the passes of alerts and sends notifications, in the foreground."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alerts.office import Office


class Command(BaseCommand):
    """Workers and beat keep an office of their own; this is one more, for operators, or where neither runs."""

    help = "Evaluates alerts and sends notifications until stopped; --once does what is due now and exits."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="what is due now, then exit")

    def handle(self, *args: Any, **options: Any) -> None:
        office = Office()
        if options["once"]:
            done = office.once()
            words = ngettext("%(count)d step was done.", "%(count)d steps were done.", done)
            self.stdout.write(words % {"count": done})
            return
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_args: stopping.set())
        office.start()
        self.stdout.write(_("The post office is open; Ctrl-C closes it."))
        stopping.wait()
        office.stop()
