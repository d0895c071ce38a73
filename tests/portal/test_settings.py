"""Every variable that the portal reads is in .env.example, and nothing else is."""

from __future__ import annotations

import re

from tests import source
from tests.source import ROOT

READ = re.compile(r"""\benv(?:\.\w+)?\(\s*"([A-Z][A-Z_0-9]+)\"""")
SUPERVISED = re.compile(r"""environ\.get\("([A-Z][A-Z_0-9]+)"\)""")


def documented() -> set[str]:
    return set(re.findall(r"^#? ?([A-Z][A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def read_by_the_portal() -> set[str]:
    names = set(READ.findall((ROOT / "portal" / "settings.py").read_text()))
    for path in source.modules("portal/supervisor"):
        names |= set(SUPERVISED.findall(path.read_text()))
    return names


def test_every_variable_is_documented() -> None:
    missing = read_by_the_portal() - documented()
    assert not missing, missing


def test_every_documented_variable_is_read() -> None:
    text = "\n".join(path.read_text() for path in source.modules("portal"))
    assert not [name for name in documented() if not re.search(rf"\b{name}\b", text)]


def test_a_variable_that_is_missing_would_be_seen() -> None:
    assert READ.findall('env.int(\n    "NEW_ONE", default=1)') == ["NEW_ONE"]
