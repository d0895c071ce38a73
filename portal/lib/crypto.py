"""Secrets at rest: Fernet with rotating keys, each ciphertext bound to the one place it was written for.

The first key of `settings.FIELD_ENCRYPTION_KEYS` encrypts, all of them decrypt. The context (table, row,
field and tenant) is part of the plaintext: a ciphertext copied to another row is refused, not decrypted.
"""

from __future__ import annotations

import json
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from portal.lib.said import said as _


class CryptoError(Exception):
    """A secret can't be written or read; `str()` is one sentence for the user."""


class NoKeyError(CryptoError):
    """FIELD_ENCRYPTION_KEYS is empty."""


class BadKeyError(CryptoError):
    """FIELD_ENCRYPTION_KEYS holds something that is no Fernet key."""


class WrongKeyError(CryptoError):
    """None of the configured keys opens the token, or it was tampered with."""


class BoundElsewhereError(CryptoError):
    """The token was written for another row, field or tenant."""


def generate_key() -> str:
    """A fresh key for FIELD_ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode()


def encrypt(value: str, *, context: str) -> str:
    """`value` sealed with the first key; only `decrypt` with the same context opens it."""
    sealed = json.dumps([context, value], ensure_ascii=False).encode()
    return _box().encrypt(sealed).decode()


def decrypt(token: str, *, context: str) -> str:
    """The value; raises a `CryptoError` that says in a sentence what is wrong."""
    try:
        sealed = _box().decrypt(token.encode())
    except InvalidToken:
        raise WrongKeyError(
            _(
                "This secret was encrypted with a key that is not configured. "
                "Put that key back into FIELD_ENCRYPTION_KEYS, or enter the secret again."
            )
        ) from None
    bound, value = json.loads(sealed)
    if bound != context:
        raise BoundElsewhereError(
            _("This secret was encrypted for another row, field or tenant and is refused. Enter it again.")
        )
    return str(value)


def ensure_keys() -> None:
    """Raise `NoKeyError` or `BadKeyError` when secrets can't be encrypted with the present settings."""
    _box()


def _box() -> MultiFernet:
    return _box_of(tuple(settings.FIELD_ENCRYPTION_KEYS))


@lru_cache(maxsize=8)
def _box_of(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise NoKeyError(
            _(
                "No encryption key is configured. Set FIELD_ENCRYPTION_KEYS; "
                "`python manage.py rotate_keys --generate` prints one."
            )
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise BadKeyError(
            _(
                "FIELD_ENCRYPTION_KEYS holds a value that is not a key. "
                "`python manage.py rotate_keys --generate` prints a valid one."
            )
        ) from None
