"""Servers of the tests' own, on free ports and temporary folders: to be killed, stopped, paused and started again.

Never the machine's own servers. Each dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0


class MissingError(Exception):
    """A program a server needs is not on this machine."""


class Server:
    """One server process (and its children) over a folder that outlives restarts."""

    name = ""
    user = ""  # whom it runs as when we are root
    start_seconds = 60.0

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"portal-{self.name}-"))
        self.folder.chmod(0o711)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    # --- what each kind says of itself
    def prepare(self) -> None:
        """Once, before the first start."""

    def argv(self) -> list[str]:
        raise NotImplementedError

    def environ(self) -> dict[str, str]:
        return dict(os.environ)

    def answers(self) -> bool:
        raise NotImplementedError

    # --- life and faults
    def start(self) -> None:
        """Returns when it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                die_with_me(self.argv()),
                cwd=self.folder,
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user(),
                group=self._user(),
                extra_groups=[] if self._user() else None,
            )
        wait_for(self._answers_or_died, f"{self.name} (see {self.folder}/server.log)", self.start_seconds)

    def stop(self) -> None:
        """As an operator would: in order."""
        self._end(signal.SIGTERM, seconds=30)

    def kill(self) -> None:
        """As the kernel would: no goodbye, not for its children either."""
        self._end(signal.SIGKILL, seconds=10)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):  # a server's child may end at any time
                process.resume()

    def revive(self) -> None:
        """Whatever a test did to it: it runs again."""
        if self.process is not None and self.process.poll() is None:
            self.resume()
        else:
            self.start()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers_or_died(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
            raise AssertionError(f"{self.name} did not start: {lines[-5:]}")
        return self.answers()

    def _end(self, number: signal.Signals, *, seconds: float) -> None:
        if self.process is None:
            return
        tree = self._tree()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        if number == signal.SIGKILL:
            for process in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
        _gone, alive = psutil.wait_procs(tree, timeout=10)
        for process in alive:  # a shell script may leave the server it started
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=10)
        self.process = None

    def _tree(self) -> list[psutil.Process]:
        if self.process is None or self.process.poll() is not None:
            return []
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def _user(self) -> str | None:
        return self.user if self.user and os.getuid() == 0 else None

    def _own(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if user := self._user():
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)

    def _run(self, *argv: str) -> None:
        done = subprocess.run(
            argv, cwd=self.folder, capture_output=True, text=True, user=self._user(), group=self._user(), check=False
        )
        if done.returncode:
            raise AssertionError(f"{argv[0]}: {done.stdout[-500:]}{done.stderr[-500:]}")


class Postgres(Server):
    name, user = "postgres", "postgres"

    def prepare(self) -> None:
        self.data = self.folder / "data"
        self.bin = _postgres_bin()
        self._own(self.data)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._run(str(self.bin / "initdb"), "-D", str(self.data), *options)

    def argv(self) -> list[str]:
        # Durable over kill -9 of its processes, as the kernel keeps what was written; a power cut is not tested.
        options = {"listen_addresses": HOST, "port": self.port, "fsync": "off", "max_connections": 300}
        options |= {"unix_socket_directories": str(self.data), "deadlock_timeout": "200ms"}
        return [
            str(self.bin / "postgres"),
            "-D",
            str(self.data),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ]

    def stop(self) -> None:
        self._end(signal.SIGINT, seconds=30)  # "fast": open connections are ended

    def connect(self, database: str = "postgres") -> Any:
        import psycopg2

        connection = psycopg2.connect(host=HOST, port=self.port, user="postgres", dbname=database, connect_timeout=3)
        connection.autocommit = True
        return connection

    def answers(self) -> bool:
        return _works(lambda: self.connect().close())


class MariaDB(Server):
    name, user = "mariadb", "mysql"

    def prepare(self) -> None:
        self.data = self.folder / "data"
        installer, self.program = find_program("mariadb-install-db"), find_program("mariadbd", "mysqld")
        self._own(self.data)
        self._run(
            installer, "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--skip-name-resolve",
        )  # fmt: skip

    def argv(self) -> list[str]:
        return [
            self.program,
            "--no-defaults",
            f"--datadir={self.data}",
            f"--bind-address={HOST}",
            f"--port={self.port}",
            f"--socket={self.data}/sock",
            f"--pid-file={self.data}/pid",
            "--max-connections=300",
            "--innodb-flush-log-at-trx-commit=2",  # durable over kill -9 of the server
            "--innodb-buffer-pool-size=64M",
            "--skip-name-resolve",
        ]

    def connect(self, database: str | None = None) -> Any:
        import pymysql

        return pymysql.connect(
            host=HOST, port=self.port, user="root", database=database, connect_timeout=3, autocommit=True
        )

    def answers(self) -> bool:
        return _works(lambda: self.connect().close())


class Redis(Server):
    """It keeps nothing over a restart: what a broker may forget, this one does."""

    name = "redis"

    def prepare(self) -> None:
        self.program = find_program("redis-server", "valkey-server")

    def argv(self) -> list[str]:
        return [self.program, "--bind", HOST, "--port", str(self.port), "--save", "", "--appendonly", "no"]

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def answers(self) -> bool:
        return _works(self._ping)

    def _ping(self) -> None:
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()

    def forget(self) -> None:
        """FLUSHALL."""
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            client.flushall()


class Embedded(Redis):
    """The broker that the portal brings itself: a password and an append-only file."""

    name = "broker"

    def prepare(self) -> None:
        from portal.supervisor import broker

        self.password = "stack-test"
        self.config = broker.write_config(self.folder / "broker", port=self.port, password=self.password)

    def argv(self) -> list[str]:
        from portal.supervisor import broker

        return [broker.find_server(), str(self.config)]

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"


class RabbitMQ(Server):
    """A node of its own name; the host's epmd, which only knows names, is shared."""

    name = "rabbitmq"
    start_seconds = 120.0

    def prepare(self) -> None:
        self.program = find_program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
        self.dist_port = free_port()
        (self.folder / "empty").touch()
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = {HOST}:{self.port}\n")
        (self.folder / "enabled_plugins").write_text("[].\n")

    def argv(self) -> list[str]:
        return [self.program]

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return kept | {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"portal{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "empty"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1",
            "ERL_EPMD_ADDRESS": HOST,
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{HOST}:{self.port}//"

    def stop(self) -> None:
        for process in self._tree()[1:]:  # the node itself: the script around it would start a client to stop it
            if "beam" in process.name():
                process.terminate()
        self._end(signal.SIGTERM, seconds=30)

    def answers(self) -> bool:
        return _works(lambda: self._with_channel(lambda channel: None))

    def forget(self) -> None:
        """Its queues are gone, with all that was in them."""
        self._with_channel(lambda channel: [channel.queue_delete(queue) for queue in ("default", "celery")])

    def _with_channel(self, use: Callable[[Any], object]) -> None:
        from kombu.connection import Connection

        with Connection(self.url, connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)
            with connection.channel() as channel:
                use(channel)


def _postgres_bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else Path(find_program("initdb")).resolve().parent


def find_program(*names: str) -> str:
    """The first of these programs; raises MissingError."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for name in names:
        if found := shutil.which(name, path=search):
            return found
    raise MissingError(f"{names[-1]} is not installed")


def die_with_me(argv: list[str]) -> list[str]:
    """The command, killed by the kernel when its parent dies: a killed test run leaves nothing behind."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else argv


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Exception:  # each client has its own tree of errors
        return False
    return True


def wait_for(is_so: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first truthy answer; fails when it does not come in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = is_so()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds:g} seconds")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
