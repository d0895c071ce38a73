"""Subjects and bodies of messages: text with {{ variables }} and a few filters. PURE.

Safe by design, not by escape: a template is split into text and places, a place names a variable of a table and filters
of a table, and a value is text, a number, a time, a length of time or a table. There is nothing to call, no attribute
to reach, no tag, no file; time and size are bounded by the template's length and the cap of the output.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import override

from alerts.templatevars import (
    FILTERS,
    LONGEST_VALUE,
    VARIABLES,
    Plain,
    Table,
    argument_problem,
    shown,
)
from portal.lib.text import cleaned, cut

LONGEST_SUBJECT_TEMPLATE = 500
LONGEST_BODY_TEMPLATE = 20_000
MOST_PLACES = 200
MOST_FILTERS = 5
LONGEST_SUBJECT = 200  # characters
LONGEST_BODY = 64 * 1024  # bytes
PLAIN_TYPES = (str, int, float, bool, Decimal, timedelta, Table)

_OPEN = re.compile(r"\{\{|\{%|\{#")
_STRING = r'"(?:[^"\\\n]|\\.){0,200}"'
_NAME = re.compile(r"\s{0,20}([A-Za-z_][A-Za-z0-9_]{0,59})")
_ARGUMENT = rf"(?:\s{{0,20}}:\s{{0,20}}({_STRING}|[0-9]{{1,6}}))?"
_FILTER = re.compile(rf"\s{{0,20}}\|\s{{0,20}}([A-Za-z_][A-Za-z0-9_]{{0,59}}){_ARGUMENT}")
_CLOSE = re.compile(r"\s{0,20}\}\}")
_ESCAPE = re.compile(r"\\(.)")
_BLANKS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


class TemplateError(ValueError):
    """The template can't be used; the text is a sentence, `line` (from 1) says where."""

    def __init__(self, sentence: str, line: int = 1) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.line = line


@dataclass(frozen=True, kw_only=True)
class Place:
    """{{ name|filter:argument|… }}"""

    name: str
    filters: tuple[tuple[str, int | str | None], ...] = ()


Template = tuple[str | Place, ...]
SECRET = {"ack_url"}  # whoever has it may do what it says


def parse(text: str, *, longest: int = LONGEST_BODY_TEMPLATE) -> Template:
    """The template in parts; TemplateError for the first thing that is wrong."""
    if len(text) > longest:
        words = _("The template has %(count)d characters, and may have %(limit)d: shorten it.")
        raise TemplateError(words % {"count": len(text), "limit": longest})
    parts: list[str | Place] = []
    position = places = 0
    while found := _OPEN.search(text, position):
        places += 1
        if places > MOST_PLACES:
            words = _("The template has more than %(limit)d variables: shorten it.")
            raise TemplateError(words % {"limit": MOST_PLACES}, _line_of(text, found.start()))
        place, end = _place(text, found)
        parts += [text[position : found.start()], place]
        position = end
    parts.append(text[position:])
    return tuple(part for part in parts if part)


def parse_subject(text: str) -> Template:
    """The same for a subject: one line, without what only who gets the message may have."""
    if len(text.strip().splitlines()) > 1:
        raise TemplateError(_("A subject is one line: remove the line break."))
    template = parse(text.strip(), longest=LONGEST_SUBJECT_TEMPLATE)
    if SECRET & names_in(template):
        words = _("Put the link that acknowledges into the text: whoever may look at messages reads their subjects.")
        raise TemplateError(words)
    return template


def _place(text: str, opened: re.Match[str]) -> tuple[Place, int]:
    """The place that begins here, and where the text goes on."""
    line = _line_of(text, opened.start())
    if opened[0] != "{{":
        words = _("Line %(line)d: “%(sign)s” is not known here, only variables such as {{ task_name }}.")
        raise TemplateError(words % {"line": line, "sign": opened[0]}, line)
    name = _NAME.match(text, opened.end())
    if name is None:
        words = _("Line %(line)d: after {{ comes the name of a variable, such as {{ task_name }}.")
        raise TemplateError(words % {"line": line}, line)
    _check_known(name[1], line)
    position, filters = name.end(), []
    while found := _FILTER.match(text, position):
        filters.append(_filter(found, line))
        position = found.end()
    closed = _CLOSE.match(text, position)
    if closed is None:
        words = _("Line %(line)d: “%(rest)s” can't stand after {{ %(name)s: close it with }}, or add a filter with |.")
        rest = " ".join(text[position : position + 20].split())
        raise TemplateError(words % {"line": line, "rest": rest, "name": name[1]}, line)
    if len(filters) > MOST_FILTERS:
        words = _("Line %(line)d: use at most %(limit)d filters on a variable.")
        raise TemplateError(words % {"line": line, "limit": MOST_FILTERS}, line)
    return Place(name=name[1], filters=tuple(filters)), closed.end()


def _check_known(name: str, line: int) -> None:
    if name in VARIABLES:
        return
    nearest = difflib.get_close_matches(name.lower(), VARIABLES, n=1, cutoff=0.5)
    arguments = {"line": line, "name": name, "nearest": nearest[0] if nearest else ""}
    if nearest:
        words = _("Line %(line)d: there is no variable “%(name)s”; do you mean “%(nearest)s”?")
    else:
        words = _("Line %(line)d: there is no variable “%(name)s”: choose one from the list.")
    raise TemplateError(words % arguments, line)


def _filter(found: re.Match[str], line: int) -> tuple[str, int | str | None]:
    name, text = found[1], found[2]
    if name not in FILTERS:
        words = _("Line %(line)d: there is no filter “%(name)s”, only %(names)s.")
        raise TemplateError(words % {"line": line, "name": name, "names": ", ".join(FILTERS)}, line)
    argument = None if text is None else _unquoted(text) if text.startswith('"') else int(text)
    problem = argument_problem(name, argument)
    if problem:
        raise TemplateError(_("Line %(line)d: %(problem)s") % {"line": line, "problem": problem}, line)
    return name, argument


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text[1:-1])


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def names_in(template: Template) -> set[str]:
    """The variables a template mentions."""
    return {part.name for part in template if isinstance(part, Place)}


# --- rendering


@dataclass(frozen=True, kw_only=True)
class Rendered:
    text: str
    is_cut: bool = False


def render_subject(template: Template, values: Mapping[str, Plain], *, language: str, zone: tzinfo) -> Rendered:
    """One line of at most LONGEST_SUBJECT characters."""
    text, was_cut = _joined(template, values, language=language, zone=zone, longest=LONGEST_SUBJECT * 20)
    line = " ".join(text.split())
    if len(line) <= LONGEST_SUBJECT:
        return Rendered(text=line, is_cut=was_cut)
    return Rendered(text=line[: LONGEST_SUBJECT - 1].rstrip() + "…", is_cut=True)


def render_body(template: Template, values: Mapping[str, Plain], *, language: str, zone: tzinfo) -> Rendered:
    """Plain text of at most LONGEST_BODY bytes; what empty variables leave is one blank line at most."""
    text, was_cut = _joined(template, values, language=language, zone=zone, longest=LONGEST_BODY * 2)
    fitted = cut(_BLANKS.sub("\n\n", text).strip("\n"), LONGEST_BODY, unit="bytes", language=language)
    return Rendered(text=fitted.text, is_cut=was_cut or fitted.is_cut)


def _joined(
    template: Template,
    values: Mapping[str, Plain],
    *,
    language: str,
    zone: tzinfo,
    longest: int,
) -> tuple[str, bool]:
    """The text up to a size, and whether there was more."""
    pieces: list[str] = []
    size = 0
    with override(language):
        for piece in _pieces(template, values, zone):
            pieces.append(piece[: longest - size])
            size += len(piece)
            if size > longest:
                return "".join(pieces), True
    return "".join(pieces), False


def _pieces(template: Template, values: Mapping[str, Plain], zone: tzinfo) -> Iterator[str]:
    for part in template:
        if isinstance(part, str):
            yield part
            continue
        value = _filtered(part, _in_zone(values.get(part.name), zone))
        yield _text_of(value)


def _filtered(place: Place, value: Plain) -> Plain:
    for name, argument in place.filters:
        value = FILTERS[name].apply(value, argument)
    return value


def _text_of(value: Plain) -> str:
    return str(cleaned(shown(value)[:LONGEST_VALUE]))


def _in_zone(value: Plain, zone: tzinfo) -> Plain:
    """The value as the reader's clock shows it; TypeError for what is no plain value: the caller has a defect."""
    if isinstance(value, datetime):
        return value.astimezone(zone)
    if value is None or type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, Promise):  # a label, in the reader's language
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)  # what a subclass holds, not what it makes of itself
    raise TypeError(f"{type(value).__name__} is no plain value of a template.")
