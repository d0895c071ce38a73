"""`incidents list|acknowledge|resolve`: what is wrong, from a shell."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from alerts import incidentlist
from alerts.incidents import IncidentRefusedError


class Command(BaseCommand):
    """Exit 1 when an incident could not be acknowledged or resolved."""

    help = "incidents list [--tenant T] [--all] · incidents acknowledge|resolve NUMBER … [--comment TEXT] [--as USER]"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["list", "acknowledge", "resolve"])
        parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER")
        parser.add_argument("--tenant", default="", help="only of this tenant")
        parser.add_argument("--all", action="store_true", help="list resolved ones too, the newest first")
        parser.add_argument("--limit", type=int, default=100, help="list so many at most (100)")
        parser.add_argument("--comment", default="", help="words for the timeline")
        parser.add_argument("--as", dest="username", default="", help="act as this user (needs the right)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = self._list(options) if options["what"] == "list" else self._act(options)
        except IncidentRefusedError as refusal:
            raise CommandError(str(refusal)) from None
        if options["json"]:
            self.stdout.write(json.dumps({"incidents": found}, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(incidentlist.line(one) for one in found) or _("No incident is open."))

    def _list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        if options["numbers"]:
            raise CommandError(_("`list` takes no numbers: use --tenant, --all and --limit."))
        return incidentlist.listed(options["tenant"], is_whole=options["all"], most=options["limit"])

    def _act(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        if not options["numbers"]:
            raise CommandError(_("Name the incidents by their numbers, for example: incidents acknowledge 12 13"))
        asked = incidentlist.Asked(
            deed=options["what"], comment=options["comment"], username=options["username"], tenant=options["tenant"]
        )
        return incidentlist.act(options["numbers"], asked)
