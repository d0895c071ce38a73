"""Databases that the hostile corpus is let loose on, each with a superuser, a role of least privilege and a look at
everything that a statement might change."""

from __future__ import annotations

import hashlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import psycopg2
import pymysql

from datasources.target import ConnectionTarget
from tests.datasources.conftest import DATABASE

OURS = crc32(DATABASE.encode())  # roles and locks are of the whole server, and tests run side by side
ROLE = f"hostile_reader_{OURS}"
OTHER = f"hostile_other_{OURS}"
PASSWORD = "nobody-guesses-this-1"
ROWS = [(1, "tea"), (2, "milk")]


class Victim(ABC):
    """`target` logs in as superuser; `folder` is one that the server may write."""

    def __init__(self, target: ConnectionTarget, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self.before: dict[str, Any] = {}  # the state that every test finds and leaves

    @property
    def places(self) -> dict[str, str]:
        return {"folder": str(self.folder), "database": DATABASE, "role": ROLE, "other": OTHER}

    @property
    def role_target(self) -> ConnectionTarget:
        """The same database with least privilege."""
        return replace(self.target, params={**self.target.params, "user": ROLE}, password=PASSWORD, key="role")

    @abstractmethod
    def build(self) -> None:
        """Make everything afresh."""

    @abstractmethod
    def remove(self) -> None: ...

    @abstractmethod
    def let_through(self, sql: str) -> None:
        """Run it as the superuser with no guard at all."""

    @abstractmethod
    def database_state(self) -> dict[str, Any]: ...

    def state(self) -> dict[str, Any]:
        """Equal before and after, unless something changed."""
        return {**self.database_state(), "files": sorted(str(path) for path in self.folder.rglob("*"))}

    def running(self) -> int:
        """Statements and transactions of datasources that are still open."""
        return 0


class PostgresVictim(Victim):
    def _connect(self) -> Any:
        p = self.target.params
        raw = psycopg2.connect(
            host=p["host"], port=p["port"], user=p["user"], password=self.target.password, dbname=p["database"]
        )
        raw.autocommit = True
        return raw

    def _run(self, statements: Iterable[str]) -> list[Any]:
        with closing(self._connect()) as raw, raw.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def let_through(self, sql: str) -> None:
        self._run([sql])

    def build(self) -> None:
        self.remove()
        self._run([
            "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
            "INSERT INTO items VALUES (1, 'tea'), (2, 'milk')",
            "CREATE SEQUENCE hostile_seq",
            "CREATE FUNCTION spoil() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'DELETE FROM items RETURNING 1'",
            "CREATE FUNCTION spoil(a int, b int) RETURNS bool SECURITY DEFINER LANGUAGE sql AS"
            " 'DELETE FROM items RETURNING true'",
            "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = spoil)",
            "CREATE VIEW spoiled AS SELECT spoil()",
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'",
            f"GRANT USAGE ON SCHEMA public TO {ROLE}",
            f"GRANT SELECT ON items, spoiled TO {ROLE}",
        ])  # fmt: skip

    def remove(self) -> None:
        names = f"rolname IN ('{OTHER}', '{ROLE}')"
        self._run(["DROP SCHEMA IF EXISTS hostile CASCADE", "DROP SCHEMA IF EXISTS public CASCADE"])
        self._run(["CREATE SCHEMA public"])
        self._run([f"ALTER DATABASE {DATABASE} RESET ALL", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata"])
        for (name,) in self._run([f"SELECT rolname FROM pg_roles WHERE {names}"]):
            self._run([f"DROP OWNED BY {name}", f"DROP ROLE {name}"])

    def database_state(self) -> dict[str, Any]:
        with closing(self._connect()) as raw, raw.cursor() as cursor:
            found = {}
            for name, sql in _POSTGRES_STATE.items():
                cursor.execute(sql)
                found[name] = cursor.fetchall()
        return found

    def running(self) -> int:
        sql = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
            " AND application_name LIKE 'portal %'"
        )
        return int(self._run([sql])[0][0])


_ROLES = f"('{ROLE}', '{OTHER}', current_user)"
_POSTGRES_STATE = {
    "items": "SELECT * FROM items ORDER BY id",
    "relations": "SELECT oid, relname, relkind, relnatts, relhasrules, relacl::text, relnamespace, relfilenode"
    " FROM pg_class WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,"
    " 'pg_toast'::regnamespace) ORDER BY 1",
    "schemas": "SELECT nspname, nspacl::text FROM pg_namespace ORDER BY 1",
    "sequence": "SELECT last_value, is_called FROM hostile_seq",
    "functions": "SELECT oid, proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
    "comments": "SELECT count(*), count(objoid) FILTER (WHERE objoid = 'items'::regclass) FROM pg_description",
    "large objects": "SELECT oid FROM pg_largeobject_metadata ORDER BY 1",
    "roles": "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconfig::text"
    f" FROM pg_roles WHERE rolname IN {_ROLES} ORDER BY 1",
    "role settings": "SELECT setdatabase, setrole, setconfig::text FROM pg_db_role_setting WHERE setdatabase IN"
    " (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1, 2",
    "settings": "SELECT name, setting FROM pg_settings WHERE source <> 'client' ORDER BY 1",
    "databases": "SELECT datname FROM pg_database WHERE datname LIKE 'hostile%'",
    "replication": "SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'hostile%'",
    "extensions": "SELECT extname FROM pg_extension ORDER BY 1",
    "prepared": "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()",
    "locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())",
    "listeners": "SELECT pg_listening_channels()",
}


class MySQLVictim(Victim):
    def _connect(self) -> Any:
        p = self.target.params
        return pymysql.connect(
            host=p["host"], port=p["port"], user=p["user"], password=self.target.password, database=p["database"],
            autocommit=True,
        )  # fmt: skip

    def _run(self, statements: Iterable[str]) -> list[Any]:
        with closing(self._connect()) as raw, raw.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def let_through(self, sql: str) -> None:
        self._run([sql])

    def build(self) -> None:
        self.remove()
        self._run([
            "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE)",
            "INSERT INTO items VALUES (1, 'tea'), (2, 'milk')",
            "CREATE SEQUENCE hostile_seq",
            "CREATE FUNCTION spoil() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM items; RETURN 1; END",
            "CREATE VIEW spoiled AS SELECT spoil() AS a",
            *(f"CREATE USER {ROLE}@'{host}' IDENTIFIED BY '{PASSWORD}'" for host in ("%", "localhost")),
            *(f"GRANT SELECT ON {DATABASE}.* TO {ROLE}@'{host}'" for host in ("%", "localhost")),
        ])  # fmt: skip

    def remove(self) -> None:
        self._run([f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"])
        self._run(f"DROP USER IF EXISTS {ROLE}@'{host}'" for host in ("%", "localhost"))
        self._run([f"DROP USER IF EXISTS {OTHER}"])

    def database_state(self) -> dict[str, Any]:
        with closing(self._connect()) as raw, raw.cursor() as cursor:
            found = {}
            for name, sql in _MYSQL_STATE.items():
                cursor.execute(sql)
                found[name] = cursor.fetchall()
        return found

    def running(self) -> int:
        sql = (
            f"SELECT count(*) FROM information_schema.processlist p LEFT JOIN information_schema.innodb_trx t"
            f" ON t.trx_mysql_thread_id = p.id WHERE p.db = '{DATABASE}' AND p.id <> connection_id()"
            " AND (p.command NOT IN ('Sleep', 'Killed') OR t.trx_id IS NOT NULL)"
        )
        return int(self._run([sql])[0][0])


_USERS = f"('{ROLE}', '{OTHER}', substring_index(current_user(), '@', 1))"
_MYSQL_STATE = {
    "items": "SELECT * FROM items ORDER BY id",
    "tables": "SELECT table_name, table_type, engine, create_time, table_comment FROM information_schema.tables"
    f" WHERE table_schema = '{DATABASE}' ORDER BY 1",
    "columns": f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{DATABASE}'",
    "indexes": f"SELECT table_name, index_name FROM information_schema.statistics WHERE table_schema = '{DATABASE}'",
    "sequence": "SELECT next_not_cached_value, cycle_count FROM hostile_seq",
    "routines": "SELECT routine_name, routine_definition FROM information_schema.routines"
    f" WHERE routine_schema = '{DATABASE}' ORDER BY 1",
    "triggers": f"SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = '{DATABASE}'",
    "events": f"SELECT event_name FROM information_schema.events WHERE event_schema = '{DATABASE}'",
    "roles": f"SELECT user, host, authentication_string, super_priv, file_priv FROM mysql.user WHERE user IN {_USERS}"
    " ORDER BY 1, 2",
    "grants": f"SELECT * FROM information_schema.table_privileges WHERE table_schema = '{DATABASE}'",
    "schema grants": f"SELECT * FROM information_schema.schema_privileges WHERE table_schema = '{DATABASE}'",
    "databases": "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'hostile%'",
    "servers": "SELECT server_name FROM mysql.servers WHERE server_name LIKE 'hostile%'",
    "functions": "SELECT name FROM mysql.func",
    "settings": "SELECT variable_name, global_value FROM information_schema.system_variables WHERE variable_name IN"
    " ('READ_ONLY', 'MAX_CONNECTIONS', 'SQL_MODE', 'GENERAL_LOG_FILE', 'MAX_STATEMENT_TIME', 'AUTOCOMMIT')",
    "locks": f"SELECT is_used_lock('{DATABASE}')",
}


class SQLiteVictim(Victim):
    """The superuser of a file is whoever may write it: the portal itself."""

    @property
    def path(self) -> Path:
        return self.folder / "shop.sqlite3"

    @property
    def role_target(self) -> ConnectionTarget:
        return self.target  # a file has no roles

    def build(self) -> None:
        self.remove()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as raw:
            raw.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
            raw.executemany("INSERT INTO items VALUES (?, ?)", ROWS)

    def remove(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()

    def let_through(self, sql: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as raw:
            raw.execute(sql).fetchall()

    def database_state(self) -> dict[str, Any]:
        content = hashlib.sha256(self.path.read_bytes()).hexdigest()
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=5)) as raw:
            raw.execute("BEGIN EXCLUSIVE")  # nobody holds a lock
            rows = raw.execute("SELECT * FROM items").fetchall()
            schema = raw.execute("SELECT * FROM sqlite_schema ORDER BY name").fetchall()
            raw.execute("ROLLBACK")
        return {"content": content, "items": rows, "schema": schema}
