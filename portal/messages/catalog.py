"""The .po file: read it, bring it up to date, say what is wrong with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import polib
from django.conf import settings

from portal.messages.message import Message
from portal.messages.sources import LOCALE, Found

HEADER = {
    "Project-Id-Version": "operations-portal",
    "Language": LOCALE,
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=1; plural=0;",
}
PERCENT = re.compile(r"%(?:\(\w+\))?[-+#0]*\d*(?:\.\d+)?[sdifgrx]|%%")
BRACES = re.compile(r"\{(?:[A-Za-z_][\w.]*|\d*)(?:![rsa])?(?::[^{}]*)?\}")
TAG = re.compile(r"<(/?[A-Za-z][\w-]*)[^<>]*>")


def catalog_path() -> Path:
    return Path(settings.LOCALE_PATHS[0]) / LOCALE / "LC_MESSAGES" / "django.po"


def read(path: Path) -> polib.POFile:
    """The catalogue; an empty one when there is no file yet."""
    return polib.pofile(str(path), wrapwidth=0) if path.exists() else polib.POFile(wrapwidth=0)


def updated(old: polib.POFile, wanted: Found) -> polib.POFile:
    """A catalogue of exactly the wanted texts in a stable order, with the translations that are there."""
    kept = {_key(entry): entry for entry in old if not entry.obsolete}
    new = polib.POFile(wrapwidth=0)
    new.metadata = dict(HEADER)
    for message in _once(wanted):
        entry = polib.POEntry(msgid=message.msgid, msgctxt=message.context or None)
        entry.occurrences = [(place, "") for place in sorted(_places(wanted, message))]
        before = kept.get(message.key)
        if message.plural:
            entry.msgid_plural = message.plural
            entry.msgstr_plural = {0: _translation(before)}
        else:
            entry.msgstr = _translation(before)
        entry.flags = list(before.flags) if before else []
        new.append(entry)
    return new


def problems(catalog: polib.POFile, wanted: Iterable[Message]) -> Iterator[str]:
    """One line for every text that a reader of Chinese would not see as it is meant."""
    entries = {_key(entry): entry for entry in catalog if not entry.obsolete}
    for message in sorted(set(wanted)):
        entry = entries.get(message.key)
        fault = _fault(entry, message) if entry else "is missing from the catalogue"
        if fault:
            yield f"{message.msgid!r} {fault}."


def _fault(entry: polib.POEntry, message: Message) -> str:
    text = _translation(entry)
    asked = message.plural or message.msgid
    if not text.strip() or (message.plural and not entry.msgid_plural):
        return "is not translated"
    if entry.fuzzy:
        return "is marked fuzzy"
    for name, pattern in (("placeholders", PERCENT), ("placeholders", BRACES), ("HTML tags", TAG)):
        if Counter(pattern.findall(asked)) != Counter(pattern.findall(text)):
            return f"has other {name} in its translation: {text!r}"
    return ""


def _key(entry: polib.POEntry) -> tuple[str, str]:
    return entry.msgctxt or "", entry.msgid


def _translation(entry: polib.POEntry | None) -> str:
    if entry is None:
        return ""
    return str(entry.msgstr_plural.get(0, "") if entry.msgid_plural else entry.msgstr)


def _once(wanted: Iterable[Message]) -> list[Message]:
    """Each key once; the form with a plural wins, for gettext finds it under its singular too."""
    by_key: dict[tuple[str, str], Message] = {}
    for message in sorted(wanted):
        by_key[message.key] = message
    return sorted(by_key.values())


def _places(wanted: Found, message: Message) -> set[str]:
    return {place for other, places in wanted.items() if other.key == message.key for place in places}
