"""`export --tenant T`: what a tenant has as a definitions file, without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from accounts.models import Tenant
from jobs.yamlfile.writer import file_of


class Command(BaseCommand):
    """Writes what `apply` reads."""

    help = "Write a tenant's definitions file: export --tenant TENANT [--output FILE]"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--output", default="-", metavar="FILE", help="“-” is standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(_("There is no tenant “%(slug)s”.") % {"slug": options["tenant"]})
        text = file_of(tenant)
        if options["output"] == "-":
            self.stdout.write(text, ending="")
            return
        try:
            Path(options["output"]).write_text(text, encoding="utf-8")
        except OSError as error:
            words = _("The file can't be written: %(cause)s.") % {"cause": error.strerror}
            raise CommandError(words) from error
