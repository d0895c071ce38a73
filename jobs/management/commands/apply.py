"""`apply [FILE…]`: create and update what definitions files say, whole or not at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from jobs.yamlfile.applier import ApplyRefusedError, Change, apply_bundles
from jobs.yamlfile.bundles import Bundle, Problem, read_bundle
from jobs.yamlfile.reader import MOST_BYTES

MARKS = {"created": "+", "updated": "~", "unchanged": "="}


class Command(BaseCommand):
    """Exit code 0: applied (or it would be); 1: refused, and nothing was changed."""

    help = "Create and update what definitions files say: apply [FILE …] [--dry-run]"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE", help="YAML files; none or “-” is standard input")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--as", dest="username", default="", help="act as this user, with this user's rights")
        parser.add_argument("--create-tenant", action="store_true", help="make the tenant when there is none")

    def handle(self, *args: Any, **options: Any) -> None:
        bundles = [read_file(name) for name in options["files"] or ["-"]]
        try:
            changes = apply_bundles(
                bundles,
                actor=find_user(options["username"]),
                dry_run=options["dry_run"],
                may_create_tenant=options["create_tenant"],
            )
        except ApplyRefusedError as refusal:
            self._refuse(refusal, as_json=options["json"])
        else:
            self._tell(changes, dry_run=options["dry_run"], as_json=options["json"])

    def _refuse(self, refusal: ApplyRefusedError, *, as_json: bool) -> None:
        if as_json:
            errors = [problem.__dict__ for problem in refusal.problems]
            self.stdout.write(json.dumps({"applied": False, "errors": errors}, ensure_ascii=False))
            sys.exit(1)
        count = len(refusal.problems)
        words = ngettext(
            "Nothing was changed: there is %(count)d error.", "Nothing was changed: there are %(count)d errors.", count
        )
        raise CommandError(f"{refusal}\n{words % {'count': count}}")

    def _tell(self, changes: list[Change], *, dry_run: bool, as_json: bool) -> None:
        if as_json:
            told = {"applied": not dry_run, "changes": [change.__dict__ for change in changes]}
            self.stdout.write(json.dumps(told, ensure_ascii=False))
            return
        for change in changes:
            self.stdout.write(f"{MARKS[change.action]} {change.tenant}: {change.what} {change.name}: {change.action}")
            if change.diff and change.action == "updated":
                self.stdout.write(change.diff)
        counts = {action: sum(change.action == action for change in changes) for action in MARKS}
        if not counts["created"] and not counts["updated"]:
            self.stdout.write(_("No changes."))
            return
        words = (
            _("Would create %(created)d, update %(updated)d and leave %(unchanged)d unchanged. Nothing was changed.")
            if dry_run
            else _("Created %(created)d, updated %(updated)d, left %(unchanged)d unchanged.")
        )
        self.stdout.write(words % counts)


def read_file(name: str) -> Bundle:
    """The file read, its problems noted; "-" is standard input."""
    if name == "-":
        return read_bundle(sys.stdin.buffer.read(MOST_BYTES + 1), name="stdin", folder=None)
    path = Path(name)
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        words = _("The file can't be read: %(cause)s.") % {"cause": error.strerror}
        return Bundle(name=name, problems=[Problem(file=name, line=1, path="", message=words)])
    return read_bundle(raw, name=name, folder=path.parent)


def find_user(username: str) -> User | None:
    """The user to act as; nobody means the operator of this machine."""
    if not username:
        return None
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(_("There is no active user “%(user)s”.") % {"user": username})
    return user
