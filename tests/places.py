"""Where a stack lives: a ledger and a broker that can be taken away. One place per lane; a database per stack."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import Embedded, MariaDB, Postgres, RabbitMQ, Redis, find_program

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST")


class Place:
    """A lane's servers. `database` is None where the ledger is a file."""

    name = ""
    broker: Redis | RabbitMQ
    database: Postgres | MariaDB | None = None
    database_url = ""

    def open(self, folder: Path) -> dict[str, str]:
        """An empty, migrated ledger and a broker that remembers nothing; the variables that name them."""
        raise NotImplementedError

    def connect(self) -> Any:
        """A DB-API connection to the ledger, in autocommit."""
        raise NotImplementedError

    def leave(self) -> None:
        """After a stack: what it broke runs again."""

    def close(self) -> None:
        self.broker.close()
        if self.database is not None:
            self.database.close()


class Sqlite(Place):
    """SQLite and the embedded broker: a place for one stack."""

    name = "sqlite"

    def __init__(self) -> None:
        self.broker = Embedded()

    def open(self, folder: Path) -> dict[str, str]:
        self._path = folder / "portal.sqlite3"
        shutil.copy(migrated_file(folder.parent), self._path)
        return {
            "DATABASE_URL": f"sqlite:///{self._path}",
            "CELERY_BROKER_URL": self.broker.url,
            "PORTAL_EMBEDDED": "1",
        }

    def connect(self) -> Any:
        return sqlite3.connect(self._path, timeout=20, isolation_level=None)


class _OnServers(Place):
    """A migrated template is made once; each stack gets a copy under a name of its own."""

    def __init__(self) -> None:
        self._count = 0
        self._current = ""
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for name in ("broker", "database"):
            server = self.__dict__.get(name)
            if server is not None:
                server.close()

    def _start(self) -> None:
        raise NotImplementedError

    def _copy(self, name: str) -> None:
        raise NotImplementedError

    def _drop(self, name: str) -> None:
        raise NotImplementedError

    def url_of(self, name: str) -> str:
        raise NotImplementedError

    def open(self, folder: Path) -> dict[str, str]:
        self._count += 1
        self._current = f"stack_{self._count}"
        self._copy(self._current)
        self.broker.forget()
        return {"DATABASE_URL": self.url_of(self._current), "CELERY_BROKER_URL": self.broker.url} | {
            "PORTAL_EMBEDDED": "",
            "PORTAL_HTTP_ALLOWED_NETWORKS": "127.0.0.0/8",
        }

    def leave(self) -> None:
        self.broker.revive()
        assert self.database is not None
        self.database.revive()
        self._drop(self._current)

    def _execute(self, sql: str) -> None:
        assert self.database is not None
        connection = self.database.connect()
        try:
            connection.cursor().execute(sql)
        finally:
            connection.close()


class PostgresPlace(_OnServers):
    name = "postgres"
    database: Postgres

    def _start(self) -> None:
        self.database, self.broker = Postgres(), Redis()
        self._execute("CREATE DATABASE template")
        migrate(self.url_of("template"), self.database.folder)

    def url_of(self, name: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.database.port}/{name}"

    def _copy(self, name: str) -> None:
        self._execute(f"CREATE DATABASE {name} TEMPLATE template")

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def connect(self) -> Any:
        return self.database.connect(self._current)


class MariaPlace(_OnServers):
    name = "mariadb"
    database: MariaDB

    def _start(self) -> None:
        self._dump = find_program("mariadb-dump", "mysqldump")
        self._client = find_program("mariadb", "mysql")
        self.database, self.broker = MariaDB(), RabbitMQ()
        self._execute("CREATE DATABASE template CHARACTER SET utf8mb4")
        migrate(self.url_of("template"), self.database.folder)
        dumped = subprocess.run([self._dump, *self._options(), "template"], check=True, capture_output=True)
        (self.database.folder / "template.sql").write_bytes(dumped.stdout)

    def _options(self) -> list[str]:
        return ["--no-defaults", "-h", "127.0.0.1", "-P", str(self.database.port), "-u", "root"]

    def url_of(self, name: str) -> str:
        return f"mysql://root@127.0.0.1:{self.database.port}/{name}"

    def _copy(self, name: str) -> None:
        self._execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        with (self.database.folder / "template.sql").open("rb") as dump:
            subprocess.run([self._client, *self._options(), name], check=True, stdin=dump, capture_output=True)

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name}")

    def connect(self) -> Any:
        return self.database.connect(self._current)


PLACES: dict[str, type[Sqlite | PostgresPlace | MariaPlace]] = {
    "sqlite": Sqlite,
    "postgres": PostgresPlace,
    "mariadb": MariaPlace,
}


def migrate(database_url: str, folder: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    environ |= {"DATABASE_URL": database_url, "DATA_DIR": str(folder / "migrating"), "PORTAL_EMBEDDED": "1"}
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def migrated_file(folder: Path) -> Path:
    """A migrated, empty SQLite file, made once per folder and copied for each stack."""
    path = folder / "migrated.sqlite3"
    if not path.exists():
        making = folder / f"migrating-{os.getpid()}.sqlite3"
        migrate(f"sqlite:///{making}", folder)
        making.replace(path)
    return path
