"""System checks of an installation: no default keys, no debug page in public, no open broker.

They matter for `check --deploy` and, through `up` and the container's start, for the first start in production.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from portal.lib import failpoints

LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "::1", "testserver"}


@register(Tags.security)
def check_keys(*, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Production never starts with the key that is in the source, nor without a key for stored secrets."""
    found: list[CheckMessage] = []
    if not is_production():
        return _broken_keys()
    if settings.SECRET_KEY == settings.INSECURE_KEY or len(settings.SECRET_KEY) < 50:
        found.append(
            Error(
                "SECRET_KEY is the one from the source code or shorter than 50 characters.",
                hint='Set SECRET_KEY: python -c "import secrets; print(secrets.token_urlsafe(64))"',
                id="portal.E001",
            )
        )
    if not settings.FIELD_ENCRYPTION_KEYS:
        found.append(
            Error(
                "FIELD_ENCRYPTION_KEYS is empty, so that no secret can be stored.",
                hint="Set it to a key made with: python -c "
                '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"',
                id="portal.E002",
            )
        )
    return found + _broken_keys()


def _broken_keys() -> list[CheckMessage]:
    for number, key in enumerate(settings.FIELD_ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key.encode())
        except ValueError:
            return [
                Error(
                    f"Key number {number} of FIELD_ENCRYPTION_KEYS is not 32 bytes in URL-safe base64.",
                    hint="Bring the right key back: what it encrypted can be read with no other.",
                    id="portal.E003",
                )
            ]
    return []


@register(Tags.security)
def check_debug(*, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Error pages show settings and variables: never where others can reach them."""
    public = sorted(set(settings.ALLOWED_HOSTS) - LOOPBACK)
    if not settings.DEBUG or not (is_production() or public):
        return []
    where = f"the public address {public[0]}" if public else "production"
    return [Error(f"DEBUG is on for {where}.", hint="Unset DEBUG.", id="portal.E004")]


@register(Tags.security)
def check_hosts(*, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Any host name means forged links in mails."""
    if "*" not in settings.ALLOWED_HOSTS or not is_production():
        return []
    return [Error("ALLOWED_HOSTS accepts every name.", hint="Name the addresses of the portal.", id="portal.E005")]


@register(Tags.security)
def check_broker(*, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """A broker without a password, on another machine, lets anybody on that network ring and read."""
    parts = urlsplit(settings.CELERY_BROKER_URL)
    local = parts.scheme in ("unix", "redis+socket", "memory") or (parts.hostname or "localhost") in LOOPBACK
    guest = parts.username == "guest" and parts.password == "guest"  # noqa: S105 - RabbitMQ's public default
    if local or not is_production() or (parts.password and not guest):
        return []
    return [
        Error(
            f"The broker on {parts.hostname} is open: its address has no password of its own.",
            hint="Give the broker a password and put it in CELERY_BROKER_URL, or use a local socket.",
            id="portal.E006",
        )
    ]


@register(Tags.security)
def check_failpoints(*, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Points at which tests let a process die are for tests alone."""
    if not is_production() or not os.environ.get(failpoints.VARIABLE):
        return []
    return [
        Error(
            f"{failpoints.VARIABLE} is set: it lets processes die on purpose.",
            hint=f"Unset {failpoints.VARIABLE}.",
            id="portal.E007",
        )
    ]


def refuse_unsafe_start() -> None:
    """Ends a web server, worker or beat that must not start, with a sentence for each reason.

    Those processes run no system checks by themselves. Exit code 3 tells gunicorn not to try again.
    """
    found = [
        *check_keys(app_configs=None),
        *check_debug(app_configs=None),
        *check_hosts(app_configs=None),
        *check_broker(app_configs=None),
        *check_failpoints(app_configs=None),
    ]
    if found:
        lines = [f"{one.msg} {one.hint}" for one in found]
        sys.stderr.write("\n".join(["The portal refuses to start.", *lines, ""]))
        raise SystemExit(3)


def is_production() -> bool:
    return bool(settings.ENVIRONMENT == "production")
