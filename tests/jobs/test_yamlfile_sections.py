"""The sections of a definitions file come from a registry: an app above jobs adds its own, at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from jobs.yamlfile import sections
from jobs.yamlfile.applier import ApplyRefusedError, apply_bundles
from jobs.yamlfile.bundles import Bundle, read_bundle
from jobs.yamlfile.entries import Entry, parsed
from jobs.yamlfile.sections import Reading, Section, Wanted
from jobs.yamlfile.writer import file_of
from portal.lib.fielderrors import FieldErrors
from tests.jobs import rows

pytestmark = pytest.mark.django_db
HEAD = "version: 1\ntenant: acme\n"


class Lamp(Entry):
    name: str
    needs: str = ""


class Lamps:
    """A section whose rows are in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.section = Section(
            name="lamps", word="lamp", key="name", read=self.read, save=self.save, entries=self.entries,
            arrange=self.arrange,
        )  # fmt: skip

    def read(self, value: Any, reading: Reading) -> Wanted:
        return Wanted(entry=parsed(Lamp, value))

    def save(self, tenant: Any, wanted: Wanted, actor: Any) -> sections.Saved:
        if wanted.entry.name == "forbidden":
            raise PermissionDenied
        if wanted.entry.name == "broken":
            raise FieldErrors.of("needs", "It is broken.")
        before = self.stored.get(wanted.entry.name)
        self.stored[wanted.entry.name] = wanted.entry.model_dump(exclude_defaults=True)
        return before, self.stored[wanted.entry.name]

    def entries(self, tenant: Any) -> list[Any]:
        return list(self.stored.values())

    def arrange(self, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
        if any(one.entry.needs == one.entry.name for one in wanted):
            raise FieldErrors.of("lamps[0].needs", "It needs itself.")
        return sorted(wanted, key=lambda one: bool(one.entry.needs))


@pytest.fixture
def lamps(monkeypatch: pytest.MonkeyPatch) -> Lamps:
    monkeypatch.setattr(sections, "_sections", dict(sections._sections))
    found = Lamps()
    sections.register(found.section)
    rows.tenant()
    return found


def bundle(text: str) -> Bundle:
    return read_bundle((HEAD + text).encode(), name="a.yaml", folder=None)


def refusal(text: str) -> str:
    with pytest.raises(ApplyRefusedError) as caught:
        apply_bundles([bundle(text)], actor=None)
    return str(caught.value)


def test_a_section_of_another_app_comes_after_those_of_jobs(lamps: Lamps) -> None:
    names = [section.name for section in sections.sections()]
    assert names[:5] == ["datasources", "secrets", "calendars", "scripts", "jobs"]
    assert names[-1] == "lamps"


def test_it_is_read_arranged_saved_told_and_exported(lamps: Lamps) -> None:
    text = "lamps:\n  - {name: a, needs: b}\n  - {name: b}\n"
    changes = apply_bundles([bundle(text)], actor=None)
    assert [(one.what, one.name, one.action) for one in changes] == [
        ("lamp", "b", "created"),
        ("lamp", "a", "created"),
    ]
    assert {one.action for one in apply_bundles([bundle(text)], actor=None)} == {"unchanged"}
    exported = file_of(rows.tenant())
    assert exported.endswith("lamps:\n  - name: b\n  - name: a\n    needs: b\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lamps: 5\n", "a.yaml:3: lamps: This must be a list."),
        ("lamps:\n  - {nam: a}\n", "a.yaml:4: lamps[0].nam: There is no setting named “nam”"),
        ("lamps:\n  - {name: a}\n  - {name: a}\n", "a.yaml:5: lamps[1].name: “a” stands in this file twice"),
        ("lamps:\n  - {name: a, needs: a}\n", "a.yaml:4: lamps[0].needs: It needs itself."),
        ("lamps:\n  - {name: forbidden}\n", "a.yaml:4: lamps[0]: You may not do this here"),
        ("lamps:\n  - {name: broken}\n", "a.yaml:4: lamps[0].needs: It is broken."),
        ("jobs: []\nlampes: []\n", "a.yaml:4: lampes: There is no setting named “lampes”"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(lamps: Lamps, text: str, words: str) -> None:
    assert words in refusal(text)
