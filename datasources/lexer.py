"""PURE: cuts SQL into tokens by each database's own rules of strings and comments, and scripts into statements.

sqlparse knows one set of rules for all: it reads `'a\\'` as an open string (true in MySQL only), ends a nested
PostgreSQL comment at the first `*/`, and knows no DELIMITER. Each of these hides or splits a statement.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

_WORD = r"(?P<word>[^\W\d][\w$]*)"
_NUMBER = r"(?P<number>[0-9]+(?:\.[0-9]+)?)"
_SPACE = r"(?P<space>[ \t\n\r\f\v]+)"  # to a database all other white space is part of a name
_OTHER = r"(?P<other>.)"
_PLAIN = r"'(?:[^']|'')*'"
_ESCAPED = r"'(?:[^'\\]|\\.|'')*'"
_DOUBLE = r'"(?:[^"]|"")*"'
_BACKTICK = r"`(?:[^`]|``)*`"
_BLOCK = r"/\*.*?(?:\*/|\Z)"
# PostgreSQL goes on with a string after a line break, and an E'…' goes on with its backslashes.
_BREAK = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+"

_RULES = {
    "postgres": [
        r"(?P<comment>--[^\n\r]*|/\*)",  # the block is followed by hand: it nests
        rf"(?P<string>[eE]{_ESCAPED}(?:{_BREAK}{_ESCAPED})*|{_PLAIN}|\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)",
        rf"(?P<ident>{_DOUBLE})",
    ],
    "mysql": [
        rf"(?P<code>/\*M?!.*?(?:\*/|\Z))|(?P<comment>--(?=[\x00-\x20\x7f]|\Z)[^\n]*|\#[^\n]*|{_BLOCK})",
        rf'(?P<string>{_ESCAPED}|"(?:[^"\\]|\\.|"")*")',
        rf"(?P<ident>{_BACKTICK})",
    ],
    "sqlite": [
        rf"(?P<comment>--[^\n]*|{_BLOCK})",
        rf"(?P<string>{_PLAIN})",
        rf"(?P<ident>{_DOUBLE}|{_BACKTICK}|\[[^\]]*\])",
    ],
}
_BROKEN = r"(?P<broken>['\"`].*)"  # a quote that never closes
_DELIMITER = re.compile(r"[ \t]*delimiter[ \t]+(\S+)[ \t]*(?:\n|\Z)", re.IGNORECASE)
_TRIGGER = re.compile(r"create\s+(?:temp\w*\s+)?trigger\b", re.IGNORECASE)
_ROUTINE = re.compile(r"create\s+(?:or\s+replace\s+)?(?:function|procedure)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Token:
    """`kind`: word, number, space, comment, code (a MySQL comment that is executed), string, ident, broken, other."""

    kind: str
    text: str
    start: int

    @property
    def is_code(self) -> bool:
        return self.kind not in ("space", "comment")


@dataclass(frozen=True)
class Statement:
    """One statement without its delimiter; `line` is where it starts in the script, from 1."""

    text: str
    line: int


def tokens(sql: str, kind: str) -> Iterator[Token]:
    """Every character of `sql`, in tokens. An unknown kind is read like SQLite, which is close to the standard."""
    at = 0
    while at < len(sql):
        token = _next(sql, at, kind)
        yield token
        at += len(token.text)


def split(sql: str, kind: str) -> list[Statement]:
    """The statements of a script. Comments and empty statements alone are left out; MySQL's DELIMITER is obeyed."""
    found: list[Statement] = []
    begin = at = 0
    delimiter = ";"
    depth = _Depth(kind)
    while at < len(sql):
        line = _DELIMITER.match(sql, at) if kind == "mysql" and not sql[begin:at].strip() else None
        if line:
            delimiter, begin, at = line[1], line.end(), line.end()
            continue
        token = _next(sql, at, kind)
        cut = _cut(sql, token, delimiter)
        if cut is None or (delimiter == ";" and not depth.ends(sql[begin:cut])):
            depth.see(token)
            at += len(token.text)
            continue
        _add(found, sql, begin, cut, kind)
        begin = at = cut + len(delimiter)
        depth = _Depth(kind)
    _add(found, sql, begin, len(sql), kind)
    return found


def bind(sql: str, kind: str, names: frozenset[str]) -> tuple[str, list[str]]:
    """The statement with every colon escaped for SQLAlchemy's `text` but those of the given parameters.

    Also the names of `:name` outside strings that were not given. `a[1:n]` and `x::int` are no parameters.
    """
    out: list[str] = []
    unknown: list[str] = []
    previous = ""
    pieces = list(tokens(sql, kind))
    for token, following in zip(pieces, [*pieces[1:], None], strict=True):
        text = token.text
        if text == ":" and following and following.kind == "word" and previous not in (":",):
            if following.text in names:
                out.append(":")
                previous = text
                continue
            if not previous or not re.match(r"[\w\])]", previous[-1]):
                unknown.append(following.text)
        out.append(text.replace(":", "\\:"))
        previous = text
    return "".join(out), unknown


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    rules = _RULES.get(kind, _RULES["sqlite"])
    return re.compile("|".join([*rules, _SPACE, _WORD, _NUMBER, _BROKEN, _OTHER]), re.DOTALL)


def _next(sql: str, at: int, kind: str) -> Token:
    match = _pattern(kind).match(sql, at)
    if match is None:  # not reachable: `other` takes any character
        raise ValueError(at)
    name = next(name for name in _NAMES if match.groupdict().get(name) is not None)
    text = match[0]
    if kind == "postgres" and text == "/*":
        text = sql[at : _nested_end(sql, at)]
    return Token(name, text, at)


_NAMES = ("code", "comment", "string", "ident", "space", "word", "number", "broken", "other")


def _nested_end(sql: str, at: int) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)


def _cut(sql: str, token: Token, delimiter: str) -> int | None:
    """Where the delimiter begins, if it begins in this token. "END$$" is one word, yet ends a statement."""
    if token.kind not in ("other", "word"):
        return None
    if token.kind == "word":
        where = token.text.find(delimiter)
        return token.start + where if where >= 0 else None
    return token.start if sql.startswith(delimiter, token.start) else None


class _Depth:
    """Whether a semicolon ends the statement: not inside a SQLite trigger or a PostgreSQL BEGIN ATOMIC body."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.level = 0
        self.words: list[str] = []

    def see(self, token: Token) -> None:
        if self.kind != "postgres" or token.kind != "word":
            return
        word = token.text.upper()
        if (word == "ATOMIC" and self.words[-1:] == ["BEGIN"]) or (self.level and word == "CASE"):
            self.level += 1
        elif self.level and word == "END":
            self.level -= 1
        self.words = [word]

    def ends(self, text: str) -> bool:
        bare = text.lstrip()
        if self.kind == "sqlite" and _TRIGGER.match(_without_comments(bare, self.kind)):
            return sqlite3.complete_statement(bare + ";")
        return not (self.level and _ROUTINE.match(_without_comments(bare, self.kind)))


def _without_comments(sql: str, kind: str) -> str:
    return "".join(" " if token.kind == "comment" else token.text for token in tokens(sql[:2000], kind)).strip()


def _add(found: list[Statement], sql: str, begin: int, end: int, kind: str) -> None:
    text = sql[begin:end].strip()
    if any(token.is_code for token in tokens(text, kind)):
        lead = len(sql[begin:end]) - len(sql[begin:end].lstrip())
        found.append(Statement(text, sql.count("\n", 0, begin + lead) + 1))
