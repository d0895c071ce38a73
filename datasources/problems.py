"""PURE: what can go wrong between us and a user's database, in words, and whose fault it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    UNKNOWN_DATABASE = "unknown_database"
    TLS = "tls"
    NO_FILE = "no_file"
    NOT_A_DATABASE = "not_a_database"
    FOLDER = "folder_not_allowed"
    LEDGER = "ledger"
    DRIVER = "driver_missing"
    DEFINITION = "bad_definition"
    BUSY = "busy"
    LOST = "connection_lost"
    DEADLOCK = "deadlock"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    SERVER = "server"
    PERMISSION = "permission"
    SYNTAX = "syntax"
    CONSTRAINT = "constraint"
    VALUE = "value"
    READ_ONLY = "read_only"
    TOO_MANY = "too_many_rows"
    LASTING = "lasting"


# The statement's own fault: running it again gives the same answer (engine.md: exit code 1, never retried).
BUSINESS = frozenset(
    {Code.PERMISSION, Code.SYNTAX, Code.CONSTRAINT, Code.VALUE, Code.READ_ONLY, Code.TOO_MANY, Code.LASTING}
)


@dataclass(frozen=True, kw_only=True)
class ConnectionProblem:
    """One cause and one sentence for the user. `line` is counted in the statement, from 1."""

    code: Code
    sentence: str
    line: int | None = None

    @property
    def category(self) -> str:
        return "business" if self.code in BUSINESS else "technical"


class QueryError(Exception):
    """A connection or a statement failed. `category` is "business" (exit 1) or "technical" (exit 2)."""

    def __init__(self, problem: ConnectionProblem) -> None:
        super().__init__(problem.sentence)
        self.sentence = problem.sentence
        self.category = problem.category
        self.code = problem.code
        self.line = problem.line

    @classmethod
    def of(cls, code: Code, sentence: str, line: int | None = None) -> QueryError:
        return cls(ConnectionProblem(code=code, sentence=sentence, line=line))
