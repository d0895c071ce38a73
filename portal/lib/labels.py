"""Labels of jobs and alert rules: {name: text}, "" for a tag. As people write them: team=payments, urgent. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

NAME = r"[A-Za-z0-9][A-Za-z0-9_./-]{0,99}"
VALUE = r"[^=!].{0,199}|"
MOST = 50
_LABEL = re.compile(rf"(?P<name>{NAME})(?:\s*=\s*(?P<value>{VALUE}))?")

Labels = dict[str, str]


def parse_labels(lines: Iterable[str]) -> Labels:
    """The labels of lines such as team=payments or urgent; ValueError, with a sentence, for the first wrong one."""
    found: Labels = {}
    for line in lines:
        match = _LABEL.fullmatch(line.strip())
        if match is None:
            words = _(
                "“%(text)s” is no label: write a name, such as urgent, or a name and a value, such as team=payments."
            )
            raise ValueError(words % {"text": line.strip()[:60]})
        if match["name"] in found:
            raise ValueError(_("The label “%(name)s” is given twice: keep one of them.") % {"name": match["name"]})
        found[match["name"]] = (match["value"] or "").strip()
    if len(found) > MOST:
        raise ValueError(_("There are %(count)d labels: %(most)d are allowed.") % {"count": len(found), "most": MOST})
    return dict(sorted(found.items()))


def labels_of(value: Any) -> Labels:
    """The labels of a mapping or a list, as definition files write them; ValueError with a sentence."""
    if isinstance(value, Mapping):
        return parse_labels(_line(str(name), _text(text)) for name, text in value.items())
    if isinstance(value, list | tuple):
        return parse_labels(str(line) for line in value)
    raise ValueError(_("Write labels as names with values, such as team: payments."))


def label_lines(labels: Mapping[str, str]) -> list[str]:
    """What `parse_labels` reads."""
    return [_line(name, text) for name, text in sorted(labels.items())]


def _line(name: str, text: str) -> str:
    return f"{name}={text}" if text else name


def _text(value: Any) -> str:
    """YAML reads yes, 5 and nothing as what they are not meant to be here."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | float):
        return "" if value is None else str(value).strip()
    raise ValueError(_("Write labels as names with values, such as team: payments."))
