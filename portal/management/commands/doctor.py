"""Checks everything an operator needs: `manage.py doctor`."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from portal.diagnosis import Finding, diagnose


class Command(BaseCommand):
    help = "Checks everything an operator needs and says what to do; exits with 1 when something is wrong."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = diagnose()
        ok = all(finding.ok for finding in findings)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "findings": [asdict(one) for one in findings]}, indent=2))
        else:
            self._print_table(findings)
        if not ok:
            raise SystemExit(1)

    def _print_table(self, findings: list[Finding]) -> None:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            self.stdout.write(f"{'✓' if finding.ok else '✗'} {finding.name.ljust(width)}  {finding.detail}")
            if not finding.ok:
                self.stdout.write(f"  {' ' * width}  → {finding.advice}")
        wrong = sum(not finding.ok for finding in findings)
        self.stdout.write("")
        self.stdout.write(f"{wrong} of {len(findings)} need attention." if wrong else "All is well.")
