"""Transactions the database ended in favour of another: nobody's fault, and right the second time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import Error as DatabaseError
from django.db import OperationalError, connection

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
MOST_TIMES = 5


def is_deadlock(error: DatabaseError) -> bool:
    """Whether the database ended this transaction in favour of another: 40P01 (PostgreSQL), 1213 or 1205 (MariaDB)."""
    cause = error.__cause__
    return getattr(cause, "pgcode", None) == "40P01" or (bool(error.args) and error.args[0] in (1213, 1205))


def repeated_after_deadlock(function: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """For a function whose writes are all in one transaction of its own; inside another's, that one must repeat."""

    @wraps(function)
    def repeated(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        for _time in range(MOST_TIMES - 1 if not connection.in_atomic_block else 0):
            try:
                return function(*args, **kwargs)
            except OperationalError as error:
                if not is_deadlock(error):
                    raise
        return function(*args, **kwargs)

    return repeated
