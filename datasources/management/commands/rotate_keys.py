"""Put a new key in front: generate one, or re-encrypt every secret with the first key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from portal.lib import crypto
from portal.lib.encrypted import encrypted_columns, seal, unseal


class Command(BaseCommand):
    help = (
        "Re-encrypts every secret with the first key of FIELD_ENCRYPTION_KEYS. "
        "Run it after putting a new key first; then the old keys can go."
    )
    # A missing key is refused by the deployment checks, and --generate is how the first one is made.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--generate", action="store_true", help="print a new key and do nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["generate"]:
            self.stdout.write(crypto.generate_key())
            return
        try:
            crypto.ensure_keys()
        except crypto.CryptoError as error:
            raise CommandError(str(error)) from None
        done, failed = 0, 0
        for model, column in encrypted_columns():
            for pk in model._base_manager.exclude(**{column: ""}).values_list("pk", flat=True).iterator():
                try:
                    done += reencrypt(model, pk, column)
                except crypto.CryptoError as error:
                    failed += 1
                    self.stderr.write(f"{model._meta.label} {pk} {column}: {error}")
        self.stdout.write(_("%(count)d secrets are now encrypted with the first key.") % {"count": done})
        if failed:
            raise CommandError(
                _("%(count)d secrets could not be read and were left as they are; keep the old keys.")
                % {"count": failed}
            )


@transaction.atomic
def reencrypt(model: type[Model], pk: Any, column: str) -> int:
    """1 when the column of this row was written anew; 0 when the row is gone or changed meanwhile."""
    row = model._base_manager.filter(pk=pk).first()
    if row is None:
        return 0
    before = getattr(row, column)
    seal(row, column, unseal(row, column))
    return model._base_manager.filter(pk=pk, **{column: before}).update(**{column: getattr(row, column)})
