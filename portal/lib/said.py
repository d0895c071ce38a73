"""A sentence of ours that can be said again in another language: it remembers its source and its arguments.

What goes wrong far below is put in words where it happens, but is read later, by people of several languages.
A module writes `from portal.lib.said import said as _`, and its errors carry a `Said`; who only wants text has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext


class Said(str):
    """The text in the language that was active; `source` is JSON for `say_again`: {"msgid": …, <argument>: …}."""

    __slots__ = ("source",)
    source: dict[str, Any]

    def __mod__(self, args: Any) -> str:
        """With its named arguments filled in; an argument may be a `Said` itself."""
        if not isinstance(args, Mapping):
            return super().__mod__(args)
        return _made({**self.source, **{str(name): source_of(value) for name, value in args.items()}})

    def __str__(self) -> Said:
        """So that `str()` of an exception, too, gives what can be said again."""
        return self


def said(msgid: str) -> Said:
    """The sentence `msgid`; `manage.py messages` finds it by this name."""
    made = Said(gettext(msgid))
    made.source = {"msgid": msgid}
    return made


def source_of(value: Any) -> Any:
    """What a `Said` is made of; anything else as it is."""
    return value.source if isinstance(value, Said) else value


def say_again(source: Mapping[str, Any]) -> str:
    """The sentence in the active language."""
    text = gettext(str(source["msgid"]))
    values = {name: say_again(value) if _is_source(value) else value for name, value in source.items()}
    return text % values if len(values) > 1 else text


def masked(value: Any, mask: Callable[[str], str]) -> Any:
    """A `Said` or any JSON with each argument put through `mask`; the sentences themselves hold no secret."""
    if isinstance(value, Said):
        return _made(masked(value.source, mask))
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: v if name in ("key", "msgid") else masked(v, mask) for name, v in value.items()}
    return value


def _is_source(value: Any) -> bool:
    return isinstance(value, Mapping) and "msgid" in value


def _made(source: dict[str, Any]) -> Said:
    made = Said(say_again(source))
    made.source = source
    return made
