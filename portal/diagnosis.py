"""What an operator needs to know about an installation, one finding per question. Behind `manage.py doctor`."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection
from django.utils import timezone

from alerts import turns
from jobs.queries import last_pruning
from portal import health

MINIMUM_FREE_BYTES = 1024**3
CLOCK_TOLERANCE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The answer to one question; `advice` says what to do when it is not fine."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(name="Python", ok=sys.version_info >= (3, 11), detail=version, advice="Install Python 3.11 or newer.")


def drivers() -> Iterator[Finding]:
    yield Finding(
        name="PostgreSQL driver",
        ok=find_spec("psycopg2") is not None,
        detail="psycopg2",
        advice="Install it: pip install psycopg2-binary",
    )
    native, pure = find_spec("MySQLdb") is not None, find_spec("pymysql") is not None
    stands_in = sys.modules.get("MySQLdb") is not None and "pymysql" in (sys.modules["MySQLdb"].__file__ or "")
    detail = "PyMySQL (stands in for mysqlclient)" if stands_in or not native else "mysqlclient"
    yield Finding(name="MySQL driver", ok=native or pure, detail=detail, advice="Install one: pip install PyMySQL")


def database() -> Iterator[Finding]:
    reason = health.failure_of(health.check_database)
    label = reason or f"{connection.display_name} {_database_version()}"
    yield Finding(
        name="Database",
        ok=not reason,
        detail=label,
        advice="Check DATABASE_URL, that the server runs, and the user's password.",
    )
    if reason:
        return
    pending = health.failure_of(health.check_migrations)
    yield Finding(
        name="Migrations", ok=not pending, detail=pending or "all applied", advice="Run: python manage.py migrate"
    )
    yield from _skip_locked()
    yield from _autovacuum()
    yield from _mysql_time_zones()
    yield from _clock()


def _database_version() -> str:
    found = connection.get_database_version() if connection.vendor != "sqlite" else _sqlite_version()
    return ".".join(map(str, found))


def _sqlite_version() -> tuple[int, ...]:
    import sqlite3

    return tuple(map(int, sqlite3.sqlite_version.split(".")))


def _skip_locked() -> Iterator[Finding]:
    if connection.vendor == "sqlite":
        return
    can = connection.features.has_select_for_update_skip_locked
    yield Finding(
        name="Row locks",
        ok=can,
        detail="several schedulers and workers share the work" if can else "SKIP LOCKED is missing",
        advice="Use MariaDB 10.6, MySQL 8.0.1, PostgreSQL: without it they wait for each other.",
    )


def _autovacuum() -> Iterator[Finding]:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW autovacuum")
        row = cursor.fetchone()
    is_on = bool(row and row[0] == "on")
    yield Finding(
        name="Autovacuum",
        ok=is_on,
        detail="on" if is_on else "off",
        advice="Switch it on (autovacuum = on): every run leaves dead rows, and the ledger slows down without it.",
    )


def _mysql_time_zones() -> Iterator[Finding]:
    if connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONVERT_TZ('2026-01-01 00:00:00', 'UTC', 'Asia/Shanghai')")
        row = cursor.fetchone()
    loaded = bool(row and row[0])
    yield Finding(
        name="MySQL time zones",
        ok=loaded,
        detail="loaded" if loaded else "the tables are empty",
        advice="Load them: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql",
    )


def _clock() -> Iterator[Finding]:
    difference = abs((database_now() - timezone.now()).total_seconds())
    yield Finding(
        name="Clock",
        ok=difference <= CLOCK_TOLERANCE_SECONDS,
        detail=f"{difference:.1f} s from the database's",
        advice="Runs follow the database's clock; synchronise this machine's (NTP), or its logs will mislead.",
    )


def database_now() -> datetime:
    """The database's clock, as an aware instant."""
    statement = {
        "postgresql": "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
        "mysql": "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)",
        "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return datetime.fromisoformat(row[0]).replace(tzinfo=timezone.get_fixed_timezone(0))


def broker() -> Iterator[Finding]:
    reason = health.failure_of(health.check_broker)
    scheme = str(settings.CELERY_BROKER_URL).partition(":")[0]
    yield Finding(
        name="Broker",
        ok=not reason,
        detail=reason or scheme,
        advice="Check CELERY_BROKER_URL and that the broker runs. Runs are kept and start when it is back.",
    )


def encryption_keys() -> Iterator[Finding]:
    keys = settings.FIELD_ENCRYPTION_KEYS
    valid = bool(keys) and all(_is_key(key) for key in keys)
    detail = f"{len(keys)} set" if valid else ("a key is damaged" if keys else "none is set")
    yield Finding(
        name="Encryption keys",
        ok=valid,
        detail=detail,
        advice="Set FIELD_ENCRYPTION_KEYS (with `make run`: DATA_DIR/secrets.json); without it no secret can be read.",
    )


def _is_key(key: str) -> bool:
    try:
        Fernet(key.encode())
    except ValueError:
        return False
    return True


def workers_and_beat() -> Iterator[Finding]:
    for name, check, advice in (
        ("Workers", health.check_worker, "Start one: celery -A portal worker --pool=threads"),
        ("Beat", health.check_beat, "Start one: celery -A portal beat"),
    ):
        reason = health.failure_of(check)
        yield Finding(name=name, ok=not reason, detail=reason or "seen", advice=advice)


def post_office() -> Iterator[Finding]:
    """Alerts and notifications: workers and beat do it, each of them all of it."""
    last = turns.last_turns()
    trouble = health.post_office_trouble()
    detail = "nobody has worked in it yet" if not last else "alerts are evaluated, notifications are sent"
    yield Finding(
        name="Post office",
        ok=bool(last) and not trouble,
        detail=trouble or detail,
        advice="Start a worker or beat, which keep one, or one by itself: manage.py post_office. Its log says why.",
    )


def address() -> Iterator[Finding]:
    """Links in messages lead there; on a loopback address they lead nobody anywhere."""
    host = urlsplit(settings.PORTAL_BASE_URL).hostname or ""
    is_reachable = settings.ENVIRONMENT != "production" or host not in ("localhost", "127.0.0.1", "::1", "")
    yield Finding(
        name="Address",
        ok=is_reachable,
        detail=f"links in messages begin with {settings.PORTAL_BASE_URL}",
        advice="Set PORTAL_BASE_URL to the address at which people reach the portal, such as https://portal.example.com.",
    )


def old_history() -> Iterator[Finding]:
    last = last_pruning()
    ended = f"last pruned {last.ended_at:%Y-%m-%d %H:%M} UTC" if last.ended_at else "never pruned yet"
    yield Finding(
        name="Old history",
        ok=not last.error and (last.ended_at is None or not last.is_silent(database_now())),
        detail=last.error or f"{ended}: {last.runs} runs, {last.logs} logs deleted",
        advice="Old runs and logs are not deleted: run prune_history and read what it says; beat and a worker do it.",
    )


def disk() -> Iterator[Finding]:
    folder = Path(settings.DATA_DIR)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    yield Finding(
        name="Disk space",
        ok=free >= MINIMUM_FREE_BYTES,
        detail=f"{free / 1024**3:.1f} GiB free below {folder}",
        advice="Free some space, or move DATA_DIR to a larger disk.",
    )


def built_files() -> Iterator[Finding]:
    scripts = list((settings.BASE_DIR / "frontend" / "dist" / "portal").glob("*.js"))
    yield Finding(
        name="Page scripts",
        ok=bool(scripts),
        detail=f"{len(scripts)} built" if scripts else "not built: plain form fields are shown",
        advice="Build them: python scripts/build_frontend.py",
    )
    catalogs = list((settings.BASE_DIR / "portal" / "locale").glob("*/LC_MESSAGES/*.po"))
    stale = [po for po in catalogs if not po.with_suffix(".mo").exists()]
    yield Finding(
        name="Translations",
        ok=bool(catalogs) and not stale,
        detail=f"{len(catalogs) - len(stale)} of {len(catalogs)} compiled",
        advice="Compile them: make setup",
    )


def interpreters() -> Iterator[Finding]:
    for name, programs in (("Shell jobs", ("bash", "sh")), ("Python jobs", (sys.executable,))):
        found = next((path for program in programs if (path := shutil.which(program))), None)
        yield Finding(
            name=name, ok=found is not None, detail=found or "no interpreter", advice=f"Install {programs[0]}."
        )


QUESTIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    drivers,
    database,
    broker,
    encryption_keys,
    workers_and_beat,
    post_office,
    address,
    old_history,
    disk,
    built_files,
    interpreters,
)


def diagnose() -> list[Finding]:
    """Every finding; a question that itself fails is a finding too."""
    findings: list[Finding] = []
    for question in QUESTIONS:
        try:
            findings += question()
        except Exception as error:  # one broken answer must not hide the others
            findings.append(
                Finding(
                    name=question.__name__.replace("_", " ").capitalize(),
                    ok=False,
                    detail=f"{type(error).__name__}: {error}",
                    advice="This question could not be answered; what is reported before it may be the reason.",
                )
            )
    return findings
