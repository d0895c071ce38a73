"""What has to be true of the ledger and the static files before the services start. Runs inside Django."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command, get_commands
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

Say = Callable[[str], None]
DEMO_STAMP = "demo-seeded"


def prepare(say: Say) -> None:
    """Migrate, collect static files when they changed, seed the demo once."""
    migrate(say)
    collect_static(say)
    seed_demo(say)


def migrate(say: Say) -> None:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return
    say(f"Migrating the database ({len(plan)} steps) …")
    call_command("migrate", interactive=False, verbosity=0)


def collect_static(say: Say) -> None:
    target = Path(settings.STATIC_ROOT)
    stamp = target / ".stamp"
    wanted = _static_fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say("Collecting the static files …")
    call_command("collectstatic", interactive=False, verbosity=0, clear=target.exists())
    stamp.write_text(wanted)


def _static_fingerprint() -> str:
    """Changes when a static file is added, removed or edited."""
    made = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            made.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return made.hexdigest()


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Only warnings of that logger."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def seed_demo(say: Say) -> None:
    """Once per data folder, so that a demo row somebody deleted stays deleted; PORTAL_DEMO=0: never."""
    stamp = Path(settings.DATA_DIR) / DEMO_STAMP
    if stamp.exists() or not settings.PORTAL_DEMO:
        return
    if "seed_demo" not in get_commands():
        say("The demo is not part of this installation.")
        return
    say("Making the demo …")
    with _quiet("accounts.audit"):  # its rows are kept; fifty lines here would hide the log-ins
        call_command("seed_demo", verbosity=0)
    stamp.write_text("")
