"""Where a benchmark runs: a database and a broker of its own, and the processes it starts and ends by pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
DATABASE = f"portal_bench_{os.getpid()}"  # two benchmarks at once don't meet
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/14")


class Place:
    """`with Place(...)`: environment set for this process and its children; everything is removed afterwards."""

    def __init__(self, *, sqlite: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="portal-bench-")
        self.folder = Path(self._folder.name)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.is_sqlite = sqlite or not (_postgres_answers() and _redis_answers(REDIS))

    @property
    def words(self) -> str:
        return "SQLite + embedded broker" if self.is_sqlite else "PostgreSQL + Redis"

    def __enter__(self) -> Place:
        from cryptography.fernet import Fernet

        database, broker_url = self._servers()
        os.environ.update(
            DATA_DIR=str(self.folder),
            DATABASE_URL=database,
            CELERY_BROKER_URL=broker_url,
            SECRET_KEY="bench-" + "0" * 60,
            FIELD_ENCRYPTION_KEYS=Fernet.generate_key().decode(),
            DJANGO_SETTINGS_MODULE="portal.settings",
            LOG_LEVEL="WARNING",
            LANGUAGE_CODE="en",
        )
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
        return self

    def __exit__(self, *error: object) -> None:
        for process in reversed(self._processes):
            end(process)
        if not self.is_sqlite:
            from django.db import connections

            connections.close_all()
            _drop_database()
        self._folder.cleanup()

    def tidy(self) -> None:
        """What autovacuum does meanwhile on a server that has it on, after bulk changes no installation makes."""
        if self.is_sqlite:
            return
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"process-{len(self._processes)}.log").open("ab")
        process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def start_celery(self, app: str, *options: str) -> subprocess.Popen[bytes]:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
        return self.start(sys.executable, "-m", "celery", "-A", app, *options, *quiet)

    def _servers(self) -> tuple[str, str]:
        if not self.is_sqlite:
            _drop_database()
            _postgres(f"CREATE DATABASE {DATABASE}")
            import redis

            redis.Redis.from_url(REDIS).flushdb()
            return urlsplit(POSTGRES)._replace(path=f"/{DATABASE}").geturl(), REDIS
        from portal.supervisor import broker

        port = broker.choose_port(None)
        config = broker.write_config(self.folder / "broker", port=port, password="bench")
        self.start(broker.find_server(), str(config))
        address = broker.url(port=port, password="bench")
        if not broker.wait_until_it_answers(address):
            raise SystemExit("The embedded broker did not start.")
        os.environ["PORTAL_EMBEDDED"] = "1"
        return f"sqlite:///{self.folder / 'portal.sqlite3'}", address


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL: a benchmark leaves no process behind."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(is_so: Callable[[], bool], what: str, *, seconds: float, step: float = 0.02) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come within {seconds:g} seconds.")
        time.sleep(step)


def _postgres(statement: str) -> None:
    import psycopg2

    connection = psycopg2.connect(POSTGRES, connect_timeout=3)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def create_database(suffix: str) -> str:
    """A second database beside the bench's own, migrated like it; returns its name."""
    from django.db import connections

    connections.close_all()  # nobody may be connected to what is copied
    name = f"{DATABASE}_{suffix}"
    drop_database(name)
    _postgres(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
    return name


def drop_database(name: str) -> None:
    _postgres(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _drop_database() -> None:
    drop_database(DATABASE)


def _postgres_answers() -> bool:
    try:
        _postgres("SELECT 1")
    except Exception:
        return False
    return True


def _redis_answers(url: str) -> bool:
    import redis

    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=2).ping())
    except redis.RedisError:
        return False


def start_worker(place: Place, *, slots: int = 16) -> subprocess.Popen[bytes]:
    """A worker of the queue `default`, once its node row is there."""
    from jobs.models import WorkerNode

    known = WorkerNode.objects.count()
    options = ["worker", "--pool=threads", f"--concurrency={slots}", "-Q", "default", "-n", f"bench{known}@%h"]
    worker = place.start_celery("portal", *options)
    wait_for(lambda: WorkerNode.objects.count() > known, "the worker", seconds=60)
    return worker


def start_beat(place: Place) -> subprocess.Popen[bytes]:
    """A beat, once it has shown itself in the ledger."""
    from jobs.models import BeatHeartbeat

    known = BeatHeartbeat.objects.count()
    options = ["-m", "celery", "-A", "portal", "beat", "--loglevel", "ERROR", "-s", str(place.folder / f"beat-{known}")]
    beat = place.start(sys.executable, *options)
    wait_for(lambda: BeatHeartbeat.objects.count() > known, "beat", seconds=120)
    return beat


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
