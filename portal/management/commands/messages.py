"""Keeps the Chinese catalogue complete: `manage.py messages --check`, `--update`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.messages.catalog import catalog_path, problems, read, updated
from portal.messages.python_source import Untranslatable
from portal.messages.sources import Found, wanted_messages


class Command(BaseCommand):
    help = "Finds every text of the pages and compares it with the Chinese catalogue."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--check", action="store_true", help="list what is untranslated or wrong; exit with 1")
        what.add_argument("--update", action="store_true", help="bring the texts of the catalogue up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wanted = wanted_messages()
        except Untranslatable as problem:
            raise CommandError(str(problem)) from None
        if options["update"]:
            self._update(wanted)
        self._report(wanted, fail=options["check"])

    def _update(self, wanted: Found) -> None:
        path = catalog_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        updated(read(path), wanted).save(str(path))
        self.stdout.write(f"{path.name} holds {len(wanted)} texts.")

    def _report(self, wanted: Found, *, fail: bool) -> None:
        found = list(problems(read(catalog_path()), wanted))
        for line in found:
            self.stdout.write(line)
        self.stdout.write(
            f"{len(found)} of {len(wanted)} texts need attention." if found else "Every text is translated."
        )
        if found and fail:
            raise SystemExit(1)
