"""Real databases: SQLite always, PostgreSQL and MariaDB where they are found."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zlib import crc32

import psycopg2
import pymysql
import pytest

from datasources import engines
from datasources.target import ConnectionTarget

# Tests run side by side, and other checkouts may use the same servers.
CHECKOUT = crc32(str(Path(__file__).parent).encode())
DATABASE = f"portal_datasources_test_{CHECKOUT}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture
def roots(tmp_path, settings):
    settings.PORTAL_SQLITE_ROOTS = [tmp_path / "files"]
    (tmp_path / "files" / "acme").mkdir(parents=True)
    return tmp_path / "files"


@pytest.fixture
def sqlite_target(roots) -> ConnectionTarget:
    with sqlite3.connect(roots / "acme" / "shop.sqlite3") as raw:
        raw.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        raw.execute("INSERT INTO items VALUES (1, 'tea'), (2, 'milk')")
    raw.close()
    return target("sqlite", {"path": "shop.sqlite3"})


@pytest.fixture
def postgres_target(service_url) -> ConnectionTarget:
    made = server_target("postgres", service_url("postgres"))
    with psycopg2.connect(**_log_in(made), dbname=DATABASE) as raw, raw.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS items, child")
        cursor.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        cursor.execute("INSERT INTO items VALUES (1, 'tea'), (2, 'milk')")
    raw.close()
    return made


@pytest.fixture
def mysql_target(service_url) -> ConnectionTarget:
    made = server_target("mysql", service_url("mysql"))
    with pymysql.connect(**_log_in(made), database=DATABASE, autocommit=True) as raw, raw.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS items")
        cursor.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE)")
        cursor.execute("INSERT INTO items VALUES (1, 'tea'), (2, 'milk')")
    return made


def server_target(kind: str, url: str) -> ConnectionTarget:
    """The tests' own database on the server, made when it is not there; logs in as the server's superuser."""
    parts = urlsplit(url)
    made = target(kind, _params(parts, {"postgres": 5432, "mysql": 3306}[kind]), _password(parts))
    if kind == "postgres":
        _create_postgres(_log_in(made), parts.path.strip("/") or "postgres")
        return made
    with pymysql.connect(**_log_in(made), autocommit=True) as raw, raw.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    return made


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.services),
        pytest.param("mysql", marks=pytest.mark.services),
    ]
)
def any_target(request) -> ConnectionTarget:
    """The same two-row table `items` on each kind of database, writable."""
    found: ConnectionTarget = request.getfixturevalue(f"{request.param}_target")
    return found


@pytest.fixture(autouse=True)
def no_engine_is_left():
    yield
    for key in list(engines._engines):
        engines.forget(key)


def target(kind, params, password="", *, is_read_only=False, key="k", tenant="acme") -> ConnectionTarget:
    return ConnectionTarget(
        key=key,
        tenant=tenant,
        slug="shop",
        kind=kind,
        params=params,
        password=password,
        is_read_only=is_read_only,
    )


def folder(roots: Path) -> Path:
    return roots / "acme"


def _params(parts, port):
    return {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or port,
        "database": DATABASE,
        "user": unquote(parts.username or "root"),
    }


def _log_in(made):
    return {name: made.params[name] for name in ("host", "port", "user")} | {"password": made.password}


def _password(parts):
    return unquote(parts.password or "")


def _create_postgres(admin, database):
    raw = psycopg2.connect(**admin, dbname=database)
    raw.autocommit = True
    with raw.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
    raw.close()
