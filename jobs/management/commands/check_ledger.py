"""`check_ledger`: verify the ledger's invariants on a live database."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs import dbclock
from jobs.engine.invariants import INVARIANTS


class Command(BaseCommand):
    """Exit code 0 when every invariant holds, 1 otherwise."""

    help = "Check the invariants of the ledger and print every row that breaks one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        now = dbclock.now()
        broken = {rule.number: list(rule.find(now)) for rule in INVARIANTS}
        broken = {number: found for number, found in broken.items() if found}
        if options["json"]:
            self.stdout.write(json.dumps({"checked": len(INVARIANTS), "broken": broken}))
        else:
            for rule in INVARIANTS:
                for finding in broken.get(rule.number, []):
                    self.stdout.write(f"✗ {rule.number:2d} {rule.text}: {finding}")
            self.stdout.write(f"{len(INVARIANTS)} invariants checked, {len(broken)} broken.")
        if broken:
            sys.exit(1)
