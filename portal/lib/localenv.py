"""Lets `manage.py` in another terminal find the portal that `make run` has set up in DATA_DIR.

`up` keeps its keys in DATA_DIR/secrets.json and the ports of its broker and its mail server in DATA_DIR/runtime.json
(both 0600). What the environment says always wins; without those files nothing happens.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

KEYS = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS")


def load(data_dir: Path, environ: MutableMapping[str, str]) -> None:
    """Fill in what the environment leaves out."""
    secrets = _read(data_dir / "secrets.json")
    if not secrets:
        return
    for name in KEYS:
        _default(environ, name, secrets.get(name))
    runtime = _read(data_dir / "runtime.json")
    port = runtime.get("broker_port")
    password = secrets.get("BROKER_PASSWORD")
    if port and password:
        _default(environ, "CELERY_BROKER_URL", f"redis://:{quote(str(password), safe='')}@127.0.0.1:{port}/0")
    if runtime.get("mail_port") and not environ.get("EMAIL_URL") and not environ.get("EMAIL_URL_FILE"):
        _default(environ, "EMAIL_URL", f"smtp://127.0.0.1:{runtime['mail_port']}")
        _default(environ, "PORTAL_MAIL_FOLDER", str(data_dir / "mail"))
    _default(environ, "PORTAL_EMBEDDED", "1")


def _default(environ: MutableMapping[str, str], name: str, value: Any) -> None:
    if value and not environ.get(name) and not environ.get(f"{name}_FILE"):
        environ[name] = str(value)


def _read(path: Path) -> dict[str, Any]:
    """A file that is missing, unreadable for this user or damaged says nothing here; `up` and `doctor` do."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
