"""PURE: what in a script a rollback would not undo, or a count of rows would not see, told before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum

from datasources.lexer import Statement, tokens
from portal.lib.said import said as _


class Sort(StrEnum):
    """Why a statement's effect can't be limited."""

    COMMITS = "commits"
    OUTSIDE = "outside"
    NOT_TRANSACTIONAL = "not_transactional"
    UNCOUNTED = "uncounted"


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """`what` is the statement's verb or the table; `line` counts in the script, from 1."""

    sort: Sort
    line: int
    what: str

    @property
    def is_lasting(self) -> bool:
        """Whether a rollback leaves it: else only its rows can't be counted."""
        return self.sort != Sort.UNCOUNTED

    @property
    def sentence(self) -> str:
        return _sentences()[self.sort] % {"what": self.what}


def _sentences() -> dict[Sort, str]:
    return {
        Sort.COMMITS: _("%(what)s ends the transaction or commits by itself, so it can't be undone."),
        Sort.OUTSIDE: _("%(what)s acts outside of the transaction, so it can't be undone."),
        Sort.NOT_TRANSACTIONAL: _("The table %(what)s knows no transactions, so a change to it can't be undone."),
        Sort.UNCOUNTED: _("%(what)s changes rows that can't be counted."),
    }


# What MySQL and MariaDB undo with a rollback. All else may commit by itself, in one version or the other.
# https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html
_MYSQL_UNDONE = frozenset({
    "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "REPLACE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN",
    "SET", "DO", "LOAD", "SAVEPOINT", "RELEASE", "BEGIN", "START", "ROLLBACK",
})  # fmt: skip
_MYSQL_SETTINGS = frozenset({
    "AUTOCOMMIT", "GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "STATEMENT", "TRANSACTION", "SQL_LOG_BIN",
    "COMPLETION_TYPE", "SQL_MODE",
})  # fmt: skip
_ENDS = frozenset({"COMMIT", "END", "ABORT"})
_PLAIN = re.compile(r"(BEGIN|START TRANSACTION|ROLLBACK)( WORK| TRANSACTION)?|ROLLBACK (WORK |TRANSACTION )?TO .*")
_UNCOUNTED = frozenset({"TRUNCATE", "DROP", "ALTER"})
_UNSEEN = {"postgres": frozenset({"DO", "CALL", "EXECUTE"})}


def hazards_of(statements: Iterable[Statement], kind: str, unsafe_tables: Set[str] = frozenset()) -> list[Hazard]:
    """In the script's order. `unsafe_tables`: names, in small letters, of tables that know no transactions."""
    return [hazard for statement in statements if (hazard := _hazard(statement, kind, unsafe_tables))]


def _hazard(statement: Statement, kind: str, unsafe_tables: Set[str]) -> Hazard | None:
    pieces = [token for token in tokens(statement.text, kind) if token.is_code]
    words = [token.text.upper() for token in pieces if token.kind in ("word", "code")]
    first = words[0] if words else ""
    sort = _sort_of(first, words, kind)
    if sort:
        return Hazard(sort=sort, line=statement.line, what=first[:40])
    names = {token.text.strip('`"[]').lower() for token in pieces if token.kind in ("word", "ident")}
    touched = sorted(names & unsafe_tables) if first not in ("SELECT", "SHOW", "DESCRIBE", "DESC") else []
    return Hazard(sort=Sort.NOT_TRANSACTIONAL, line=statement.line, what=touched[0]) if touched else None


def _sort_of(first: str, words: list[str], kind: str) -> Sort | None:
    if _ends_transaction(first, words):
        return Sort.COMMITS
    if kind == "mysql":
        return _mysql_sort(first, words)
    if kind == "postgres" and first == "COPY" and ("TO" in words or "PROGRAM" in words):
        return Sort.OUTSIDE
    if first in _UNCOUNTED or first in _UNSEEN.get(kind, ()):
        return Sort.UNCOUNTED
    return None


def _ends_transaction(first: str, words: list[str]) -> bool:
    if first in _ENDS or (first == "PREPARE" and words[1:2] == ["TRANSACTION"]):
        return True
    return first in ("BEGIN", "START", "ROLLBACK") and not _PLAIN.fullmatch(" ".join(words))


def _mysql_sort(first: str, words: list[str]) -> Sort | None:
    if first.startswith("/*"):  # a comment that the server executes
        return Sort.COMMITS
    if {"OUTFILE", "DUMPFILE"} & set(words):
        return Sort.OUTSIDE
    if first in ("CREATE", "DROP") and words[1:2] == ["TEMPORARY"]:
        return None
    is_undone = first in _MYSQL_UNDONE and not any(word.startswith("/*") for word in words)
    if first == "SET" and _MYSQL_SETTINGS & set(words):
        is_undone = False
    if first == "LOAD" and words[1:2] == ["INDEX"]:
        is_undone = False
    return None if is_undone else Sort.COMMITS
