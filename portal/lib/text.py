"""Texts from elsewhere, made fit for use: cleaned, cut where they are too long with a mark, brought on one line."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores no NUL, and half a letter is no UTF-8
DEEPEST = 20

SIZES: Mapping[str, Callable[[str], int]] = {
    "characters": len,
    "bytes": lambda text: len(text.encode()),
    "json": lambda text: len(json.dumps(text, ensure_ascii=False).encode()) - 2,  # as bytes of a JSON body
}


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A text that fits; `is_cut` says that there was more."""

    text: str
    is_cut: bool = False


def cleaned(value: Any, depth: int = 0) -> Any:
    """Text, or JSON of texts, without control characters but tab and line feed, and without halves of letters."""
    if isinstance(value, str):
        return CONTROLS.sub("�", value.replace("\r\n", "\n").replace("\r", "\n"))
    if depth > DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {cleaned(str(name)): cleaned(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item, depth + 1) for item in value]
    return value


def storable(text: str) -> str:
    """The text as every database can hold it; nothing else is changed."""
    return UNSTORABLE.sub("�", text)


def one_line(text: str, longest: int = 200) -> str:
    """What a service answered, as a part of a sentence."""
    line = " ".join(CONTROLS.sub(" ", text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def cut(text: str, longest: int | None, *, unit: str = "characters", language: str = "en") -> Fitted:
    """The text, or as much from its start as fits together with a mark that says how long it was."""
    size = SIZES[unit]
    if longest is None or size(text) <= longest:
        return Fitted(text=text)
    with override(language):
        mark = "\n" + _("… (cut: it has %(count)d characters)") % {"count": len(text)}
    if size(mark) >= longest:
        mark = "…" if size("…") <= longest else ""
    return Fitted(text=_longest_start(text, longest - size(mark), size) + mark, is_cut=True)


def _longest_start(text: str, longest: int, size: Callable[[str], int]) -> str:
    """The longest start of at most that size that does not tear a letter from its accents."""
    low, high = 0, min(len(text), max(0, longest))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle]) <= longest else (low, middle - 1)
    whole = low
    while 0 < whole < len(text) and low - whole < 16 and _joins(text, whole):
        whole -= 1
    return text[:whole].rstrip()


def _joins(text: str, place: int) -> bool:
    """Whether what stands at the place belongs to the character before it."""
    return bool(unicodedata.combining(text[place])) or text[place] in "\u200d\ufe0f" or text[place - 1] == "\u200d"
