"""The texts of a Python file, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from portal.messages.message import Message

TRANSLATIONS = ("django.utils.translation", "portal.lib.said")
# Function of these modules → what its leading arguments are.
SHAPES: dict[str, tuple[str, ...]] = {
    "gettext": ("msgid",),
    "gettext_lazy": ("msgid",),
    "gettext_noop": ("msgid",),
    "ngettext": ("msgid", "plural"),
    "ngettext_lazy": ("msgid", "plural"),
    "pgettext": ("context", "msgid"),
    "pgettext_lazy": ("context", "msgid"),
    "npgettext": ("context", "msgid", "plural"),
    "npgettext_lazy": ("context", "msgid", "plural"),
    "said": ("msgid",),
}


class Untranslatable(ValueError):
    """A call whose text is put together at run time, so that no catalogue can hold it."""


def python_messages(source: str) -> Iterator[Message]:
    """Every text given to a translating function, whatever name the file imports it under.

    A variable is passed over: its text is marked elsewhere with gettext_noop.
    """
    for call, shape in _calls(source):
        message = _message(call, shape)
        if message and message.msgid:
            yield message


def refuse_formatted(source: str) -> None:
    """Raise Untranslatable for the first f-string that is to be translated."""
    for call, shape in _calls(source):
        if any(isinstance(argument, ast.JoinedStr) for argument in call.args[: len(shape)]):
            raise Untranslatable(
                f"Line {call.lineno} translates an f-string; use %(name)s and fill it in after the translation."
            )


def _calls(source: str) -> Iterator[tuple[ast.Call, tuple[str, ...]]]:
    tree = ast.parse(source)
    names = _imported_names(tree)
    for node in ast.walk(tree):
        shape = SHAPES.get(_function(node.func, names)) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and shape:
            yield node, shape


def _imported_names(tree: ast.AST) -> dict[str, str]:
    """The file's own name of each function → its name in Django."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in TRANSLATIONS
        for alias in node.names
    }


def _function(called: ast.expr, names: dict[str, str]) -> str:
    if isinstance(called, ast.Name):
        return names.get(called.id, "")
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return called.attr if called.value.id == "translation" else ""
    return ""


def _message(call: ast.Call, shape: tuple[str, ...]) -> Message | None:
    texts = [_text(argument) for argument in call.args[: len(shape)]]
    if len(texts) < len(shape) or None in texts:
        return None
    return Message(**{part: text for part, text in zip(shape, texts, strict=True) if text is not None})


def _text(argument: ast.expr) -> str | None:
    """The literal text; Python has joined neighbouring literals already."""
    if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Add):
        left, right = _text(argument.left), _text(argument.right)
        return None if left is None or right is None else left + right
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return None
