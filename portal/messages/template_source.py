"""The texts of a Django template: its tags, and _("…") inside any of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from django.utils.translation.template import templatize

from portal.messages.message import Message
from portal.messages.python_source import SHAPES

LITERAL = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
CALL = re.compile(rf"(?<!\w)(_|n?p?gettext)\(\s*({LITERAL}(?:\s*,\s*{LITERAL})*)", re.DOTALL)


def template_messages(source: str, origin: str) -> Iterator[Message]:
    """Django turns the template into calls as xgettext reads them; these are read here instead."""
    for function, arguments in CALL.findall(templatize(source, origin=origin)):
        texts = [str(ast.literal_eval(literal)) for literal in re.findall(LITERAL, arguments, re.DOTALL)]
        shape = SHAPES["gettext" if function == "_" else function]
        message = Message(**dict(zip(shape, texts, strict=False)))
        if message.msgid:
            yield message
