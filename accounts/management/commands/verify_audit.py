"""Recompute the hash chain of the audit trail."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import broken_entries
from accounts.models import AuditEntry


class Command(BaseCommand):
    help = "Verify the audit trail: every entry's own hash, and its link to the one before. Exits 1 when one is broken."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = list(broken_entries())
        for pk, reason in broken:
            self.stderr.write(f"{pk}: {reason}")
        if broken:
            raise CommandError("The audit trail was changed behind the portal's back: see the entries above.")
        self.stdout.write(f"The audit trail is intact: {AuditEntry.objects.count()} entries.")
