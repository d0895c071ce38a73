"""The keys of an embedded portal: made once, kept in DATA_DIR/secrets.json (0600)."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet

from portal.supervisor.errors import StartError
from portal.supervisor.files import write_private

FILE_NAME = "secrets.json"
MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(64),
    "FIELD_ENCRYPTION_KEYS": lambda: Fernet.generate_key().decode(),
    "BROKER_PASSWORD": lambda: secrets.token_urlsafe(32),
}


def load_or_make(data_dir: Path) -> dict[str, str]:
    """The keys of this data folder; a key that is missing from the file is made and added.

    A file that can't be read stops the start: new keys would make every stored secret unreadable for good.
    """
    path = data_dir / FILE_NAME
    keys = _load(path)
    missing = {name: make() for name, make in MAKERS.items() if not keys.get(name)}
    if missing:
        keys |= missing
        write_private(path, json.dumps(keys, indent=2) + "\n")
    path.chmod(0o600)
    return keys


def _load(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(value) for name, value in found.items()}
    except (ValueError, AttributeError):
        raise StartError(
            f"{path} is damaged. It holds the keys of every stored secret: bring it back from a backup. "
            "Only if there are no secrets to keep, delete it and start again."
        ) from None
