"""What the bootstrap of a Python script notes of its end: a link beside the result whose target is one word.

A short link needs no room on a full disk, and the word tells what an exit code can't.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

SUFFIX = ".cause"
WORDS = ("memory", "disk_full", "file_too_large")


def read_note(env: Mapping[str, str]) -> str:
    """One of WORDS, or an empty string. The script may have put anything there."""
    result = env.get("PORTAL_RESULT", "")
    if not result:
        return ""
    try:
        word = os.readlink(result + SUFFIX)
    except OSError:
        return ""
    return word if word in WORDS else ""
