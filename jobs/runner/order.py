"""A `RunnerSpec` as it crosses the wire and as a runner keeps it.

`marshal` and a class with slots: what `json` and `dataclasses` import would double the memory of each runner, and
a fork costs what it copies. Worker and zygote are the same interpreter, and only the worker writes here.
"""

from __future__ import annotations

import marshal
import resource
from typing import Any

FIELDS = (
    "argv",
    "env",
    "cwd",
    "lease_deadline",
    "timeout",
    "kill_grace",
    "output_cap",
    "memory_limit",
    "cpu_limit",
    "file_size_limit",
    "open_files_limit",
    "process_limit",
)


class Order:
    __slots__ = (*FIELDS, "limits")

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    lease_deadline: float
    timeout: float | None
    kill_grace: float
    output_cap: int
    memory_limit: int | None
    cpu_limit: int | None
    file_size_limit: int | None
    open_files_limit: int | None
    process_limit: int | None

    def __init__(self, raw: bytes) -> None:
        for name, value in zip(FIELDS, marshal.loads(raw), strict=True):  # noqa: S302 - see above
            setattr(self, name, value)
        wanted: tuple[tuple[int, int | None], ...] = (
            (resource.RLIMIT_AS, self.memory_limit),
            (resource.RLIMIT_CPU, self.cpu_limit),
            (resource.RLIMIT_FSIZE, self.file_size_limit),
            (resource.RLIMIT_NOFILE, self.open_files_limit),
        )
        self.limits = [(limit, value) for limit, value in wanted if value is not None]


def to_wire(values: tuple[Any, ...]) -> bytes:
    """The values of FIELDS, in their order."""
    try:
        return marshal.dumps(values)
    except ValueError:  # a subclass of str, such as Django's SafeString: json knows them all and gives plain ones
        import json

        return marshal.dumps(json.loads(json.dumps(values)))
