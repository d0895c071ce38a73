"""`seed_demo`: two teams with people, a shop and jobs. What is there already is left as it is."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from jobs.yamlfile.applier import ApplyRefusedError, apply_bundles
from jobs.yamlfile.bundles import Bundle
from portal.demo.alert_history import make_history
from portal.demo.alerts import make_alerts
from portal.demo.definitions import demo_bundle
from portal.demo.people import keep_credentials, make_people, make_tenant
from portal.demo.shop import make_shop, write_csv, write_database

LEADS = (timedelta(0), timedelta(seconds=15), timedelta(minutes=2))
TEAMS = {"demo": "demo.yaml", "acme": "acme.yaml"}
ALERTS = "demo"  # the team that has them


class Command(BaseCommand):
    help = "Make the demo teams, their people, a shop database, CSV files and jobs; safe to run again"

    def handle(self, *args: Any, **options: Any) -> None:
        language = settings.LANGUAGE_CODE
        folder = Path(settings.PORTAL_SQLITE_ROOTS[0]) / "demo"
        try:
            make_files(folder, language)
            with transaction.atomic(), override(language):
                made = seed(language, folder)
                keep_credentials(Path(settings.DATA_DIR) / "credentials.txt", made)
        except OSError as error:
            words = _("The demo's files can't be written (%(cause)s): free some space or choose another DATA_DIR.")
            raise CommandError(words % {"cause": error.strerror or error}) from error
        except ApplyRefusedError as error:
            raise CommandError(str(error)) from error
        if options["verbosity"]:
            self.stdout.write(_("The demo is there."))


def make_files(folder: Path, language: str) -> None:
    """The shop's database and CSV files, unless they are there."""
    shop = make_shop(timezone.localdate(), language)
    if not (folder / "shop.sqlite3").exists():
        write_database(folder / "shop.sqlite3", shop)
    if not (folder / "csv" / "products.csv").exists():
        write_csv(folder / "csv", shop)


def seed(language: str, folder: Path) -> list[tuple[str, str, str, str]]:
    """Teams, people and jobs; the jobs of a team that was there already are its own business."""
    names = {"demo": _("Demo shop"), "acme": _("Acme")}
    teams = {slug: make_tenant(slug, names[slug]) for slug in TEAMS}
    made = make_people([tenant for tenant, _is_new in teams.values()])
    new = [slug for slug, (_tenant, is_new) in teams.items() if is_new]
    for place, lead in enumerate(LEADS, start=1):
        try:
            apply_bundles(_bundles(new, language, folder / "csv", lead), actor=None)
            break
        except ApplyRefusedError:  # on a slow machine the first moments may have passed by now
            if place == len(LEADS):
                raise
    if ALERTS in new:
        now = timezone.now()
        alerts = make_alerts(teams[ALERTS][0], now)
        make_history(alerts, folder / "shop.sqlite3", now)
    return made


def _bundles(slugs: list[str], language: str, csv_folder: Path, lead: timedelta) -> list[Bundle]:
    port = os.environ.get("PORT", "8000")
    now = timezone.now() + lead
    return [demo_bundle(TEAMS[slug], language=language, now=now, port=port, csv_folder=csv_folder) for slug in slugs]
