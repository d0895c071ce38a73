"""A sentence of ours that can be said again in another language: it remembers its source and its arguments.

What goes wrong far below is put in words where it happens, but is read later, by people of several languages. Errors
carry a `Said`; who only wants text has it, for it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext, ngettext


class Said(str):
    """The text in the language that was active; `source` is what `say_again` takes: JSON, or {} for plain text."""

    __slots__ = ("source",)
    source: dict[str, Any]


def said(msgid: str, /, **args: Any) -> Said:
    """The sentence `msgid` (marked with gettext_noop) with its arguments; an argument may be a `Said` itself."""
    source = {"msgid": msgid, **{name: source_of(value) for name, value in args.items()}}
    return _made(source)


def said_plural(msgid: str, plural: str, /, *, count: int, **args: Any) -> Said:
    """The same for a counted sentence; both texts are marked with gettext_noop or ngettext_lazy elsewhere."""
    source = {"msgid": msgid, "plural": plural, "count": count}
    return _made({**source, **{name: source_of(value) for name, value in args.items()}})


def source_of(value: Any) -> Any:
    """What a `Said` is made of; anything else as it is."""
    return value.source if isinstance(value, Said) else value


def say_again(source: Mapping[str, Any]) -> str:
    """The sentence in the active language."""
    msgid = str(source["msgid"])
    counted = "plural" in source
    text = ngettext(msgid, str(source["plural"]), source["count"]) if counted else gettext(msgid)
    values = {name: say_again(value) if _is_source(value) else value for name, value in source.items()}
    return text % values


def masked(value: Any, mask: Callable[[str], str]) -> Any:
    """A `Said` or any JSON with each text put through `mask`; the sentence itself holds no secret."""
    if isinstance(value, Said):
        return _made(masked(value.source, mask))
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: v if name in ("key", "msgid", "plural") else masked(v, mask) for name, v in value.items()}
    return value


def _is_source(value: Any) -> bool:
    return isinstance(value, Mapping) and "msgid" in value


def _made(source: dict[str, Any]) -> Said:
    made = Said(say_again(source) if source else "")
    made.source = source
    return made
