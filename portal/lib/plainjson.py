"""JSON as its standard has it: Python's reader also takes NaN and Infinity, which no database takes."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def read(text: str | bytes) -> Any:
    """The value; ValueError or RecursionError for what is none. A number that is too large for a float is none."""
    return json.loads(text, parse_constant=_refuse, parse_float=_number)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("The number is too large.")
    return number
