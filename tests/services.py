"""Real servers for the tests: on their standard local ports or named by a variable.

The one place that decides to skip. `NO_SERVICES=1` leaves them out; `REQUIRE_SERVICES=1` and
`REQUIRE_BROWSER=1` turn what is missing into a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from urllib.parse import urlsplit

import pytest

NAMES = {"postgres": "PostgreSQL", "mysql": "MariaDB", "redis": "Redis", "rabbitmq": "RabbitMQ"}
DEFAULTS = {
    "postgres": "postgres://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql://root@127.0.0.1:3306/mysql",
    "redis": "redis://127.0.0.1:6379/15",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
}


def url_of(name: str) -> str:
    """TEST_POSTGRES_URL and the like, else the standard local port."""
    return os.environ.get(f"TEST_{name.upper()}_URL") or DEFAULTS[name]


def service_url(name: str) -> str:
    """The address of a server that answers; without one the test skips, or fails when that is required."""
    reason = why_missing(name)
    if reason:
        _leave(f"{NAMES[name]}: {reason}", required=is_set("REQUIRE_SERVICES"))
    return url_of(name)


def chromium() -> str:
    """The path of Chromium; without it the test is skipped, or fails when the browser is required."""
    path = find_chromium()
    if path is None:
        _leave("Chromium was not found; TEST_CHROMIUM names its path", required=is_set("REQUIRE_BROWSER"))
    return str(path)


def find_chromium() -> str | None:
    if is_set("NO_SERVICES"):
        return None
    names = [os.environ.get("TEST_CHROMIUM") or "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if (found := shutil.which(name))), None)


def is_set(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def _leave(reason: str, *, required: bool) -> None:
    if required:
        pytest.fail(f"required, but missing: {reason}", pytrace=False)
    pytest.skip(reason)


@cache
def why_missing(name: str) -> str:
    """Why a server can't be used, by logging in to it; empty when it can."""
    if is_set("NO_SERVICES"):
        return "left out by NO_SERVICES"
    try:
        PROBES[name](url_of(name))
    except Exception as error:  # each client has its own tree of errors
        return f"{type(error).__name__}: {(str(error).strip() or 'no reason').splitlines()[0]}"[:120]
    return ""


def _postgres(url: str) -> None:
    import psycopg2

    psycopg2.connect(url, connect_timeout=3).close()


def _mysql(url: str) -> None:
    import pymysql

    parts = urlsplit(url)
    pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        connect_timeout=3,
    ).close()


def _redis(url: str) -> None:
    import redis

    client = redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3)
    client.ping()
    client.close()


def _rabbitmq(url: str) -> None:
    from kombu.connection import Connection

    with Connection(url, connect_timeout=3) as connection:
        connection.ensure_connection(max_retries=1, timeout=3)


PROBES: dict[str, Callable[[str], None]] = {
    "postgres": _postgres,
    "mysql": _mysql,
    "redis": _redis,
    "rabbitmq": _rabbitmq,
}


def summary() -> str:
    """Which lanes ran, for the end of the test report."""
    lanes = [f"{label} {_verdict(why_missing(name))}" for name, label in NAMES.items()]
    return "services: " + ", ".join([*lanes, f"Chromium {_verdict('' if find_chromium() else 'not found')}"])


def _verdict(reason: str) -> str:
    return f"no ({reason})" if reason else "yes"
