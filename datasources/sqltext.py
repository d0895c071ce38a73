"""What somebody gives as SQL, made usable or refused."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from datasources.lexer import split


def clean_sql(value: str) -> str:
    """The text with plain line ends; `ValueError` with a sentence when it is empty, too large or no text."""
    if not value.strip():
        raise ValueError(_("The SQL is empty: write at least one statement."))
    if "\0" in value:
        raise ValueError(_("The SQL contains a NUL character: upload a text file in UTF-8."))
    if len(value.encode("utf-8", "replace")) > settings.PORTAL_SCRIPT_MAX_BYTES:
        limit = settings.PORTAL_SCRIPT_MAX_BYTES // 1024
        raise ValueError(_("The SQL is too large: at most %(limit)s KB are allowed.") % {"limit": limit})
    return value.replace("\r\n", "\n")


def has_statement(text: str) -> bool:
    """Whether there is more than comments, by the rules of some database."""
    return bool(split(text, ""))
