"""The scripts of the pages show no text that the catalog lacks, and the catalog holds nothing unused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils import translation

from portal.frontend_strings import STRINGS
from portal.templatetags import portal_frontend

SOURCES = Path(__file__).resolve().parents[2] / "frontend" / "src"
KEY = re.compile(r"""["'`]((?:editor|logs|schedule|upload|refresh|console|params)\.[a-z_]+)["'`]""")
COMPUTED = {
    "logs": ["follow", "pause", "wrap", "timestamps", "copy", "previous", "next", "only_matches"]
    + [f"state_{state}" for state in ("live", "paused", "retrying", "gone", "finished")],
    "schedule": ["second", "minute", "hour", "day", "month", "weekday", "year"],
}


def keys_in_scripts() -> set[str]:
    found = {key for path in SOURCES.rglob("*.ts") for key in KEY.findall(path.read_text(encoding="utf-8"))}
    return found | {f"{area}.{name}" for area, names in COMPUTED.items() for name in names}


def test_every_text_of_the_scripts_is_in_the_catalog() -> None:
    assert keys_in_scripts() - set(STRINGS) == set()


def test_the_catalog_holds_nothing_that_no_script_shows() -> None:
    assert set(STRINGS) - keys_in_scripts() == set()


def render(*names: str) -> str:
    arguments = " ".join(f'"{name}"' for name in names)
    with translation.override("en"):
        return Template(f"{{% load portal_frontend %}}{{% portal_scripts {arguments} %}}").render(Context())


def test_scripts_come_with_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal_frontend, "is_built", lambda path: path == "portal/logs.js")
    page = render("logs", "schedule")
    assert 'id="portal-strings"' in page
    assert '"logs.follow": "Follow"' in page
    assert "/portal/logs" in page
    assert "/portal/schedule" not in page


def test_a_page_without_built_scripts_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal_frontend, "is_built", lambda path: False)
    assert render("logs") == ""
