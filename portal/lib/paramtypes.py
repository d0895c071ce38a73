"""Types for pydantic models that people fill in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from pydantic import BeforeValidator, PlainSerializer

from portal.lib.durations import DurationError, format_duration, parse_duration


def _read(value: Any) -> Any:
    """Text ("5m") or seconds; anything else is refused in words."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except DurationError as error:
            raise ValueError(str(error)) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise ValueError(_("This is too long for a duration.")) from None
    raise ValueError(_("This must be a duration, such as 90s, 15m or 1h30m, or a number of seconds."))


def _plain(value: timedelta) -> str | float:
    return value.total_seconds() if value.microseconds else format_duration(value)


Duration = Annotated[timedelta, BeforeValidator(_read), PlainSerializer(_plain, when_used="json")]


_MEMORY = re.compile(r"([0-9]{1,9})\s*(M|MB|MIB|G|GB|GIB)?", re.IGNORECASE)


def parse_memory(value: Any) -> int:
    """MiB from text ("512MB", "2GB", both of 1024) or a number of MiB."""
    match = _MEMORY.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError(_("This must be an amount of memory, such as 512MB or 2GB."))
    return int(match[1]) * (1024 if (match[2] or "M").upper().startswith("G") else 1)


def format_memory(value: int) -> str:
    """What `parse_memory` reads: "2GB", "1536MB"."""
    return f"{value // 1024}GB" if value and value % 1024 == 0 else f"{value}MB"


Memory = Annotated[int, BeforeValidator(parse_memory), PlainSerializer(format_memory, when_used="json")]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How `portal.lib.paramforms` shows a field: `Annotated[str, Shown(label=_("Script"), editor="python")]`.

    `editor` is python, shell, sql, json, yaml or text; `upload` a file ending; `secret` hides what is typed;
    `is_datasource` marks the slug of a datasource, `is_sql_script` that of a SQL script of the library;
    `choices` gives the values of a Literal their labels.
    """

    label: str | Promise = ""
    help: str | Promise = ""
    editor: str = ""
    upload: str = ""
    secret: bool = False
    is_datasource: bool = False
    is_sql_script: bool = False
    choices: Mapping[str, str | Promise] = field(default_factory=dict)
