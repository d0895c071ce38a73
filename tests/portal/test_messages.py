"""The catalogue check can fail, the extractor sees every form of a text, and our catalogue is complete."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polib
import pytest
from django.core.management import call_command

from portal.messages.catalog import catalog_path, problems, read, updated
from portal.messages.message import Message
from portal.messages.python_source import Untranslatable, python_messages, refuse_formatted
from portal.messages.sources import own_messages, wanted_messages
from portal.messages.template_source import template_messages

IMPORT = "from django.utils.translation import gettext as _, gettext_lazy as later, gettext_noop, ngettext, pgettext, "
IMPORT += "npgettext_lazy\nfrom django.utils import translation\n"


def entry(msgid: str, msgstr: str, **more: Any) -> polib.POEntry:
    return polib.POEntry(msgid=msgid, msgstr=msgstr, **more)


def faults(message: Message, *entries: polib.POEntry) -> list[str]:
    catalog = polib.POFile()
    catalog.extend(entries)
    return list(problems(catalog, [message]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('_("Save")', Message(msgid="Save")),
        ('later("Save " "it")', Message(msgid="Save it")),
        ('_("Save " + "it")', Message(msgid="Save it")),
        ('gettext_noop("Save")', Message(msgid="Save")),
        ('translation.gettext("Save")', Message(msgid="Save")),
        ('ngettext("%(n)d job", "%(n)d jobs", n)', Message(msgid="%(n)d job", plural="%(n)d jobs")),
        ('pgettext("verb", "Run")', Message(msgid="Run", context="verb")),
        ('npgettext_lazy("c", "one", "many", n)', Message(msgid="one", context="c", plural="many")),
    ],
)
def test_every_call_of_a_python_file_is_found(call: str, message: Message) -> None:
    assert list(python_messages(f"{IMPORT}x = {call}")) == [message]


def test_variable_and_foreign_function_are_passed_over() -> None:
    assert list(python_messages(f'{IMPORT}_(text); print("Save"); obj.gettext("Save"); _("")')) == []


def test_translated_f_string_is_refused_with_its_line() -> None:
    with pytest.raises(Untranslatable, match="Line 4"):
        refuse_formatted(f'{IMPORT}\n_(f"Save {{name}}")')


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ('{% trans "Save" %}', Message(msgid="Save")),
        ("{% translate 'Save' as label %}", Message(msgid="Save")),
        ('{% translate "May" context "month" %}', Message(msgid="May", context="month")),
        ("{% blocktranslate with n=job.name %}Job {{ n }}{% endblocktranslate %}", Message(msgid="Job %(n)s")),
        ("{% blocktrans trimmed %}\n  One\n  line\n{% endblocktrans %}", Message(msgid="One line")),
        (
            "{% blocktranslate count n=n %}{{ n }} job{% plural %}{{ n }} jobs{% endblocktranslate %}",
            Message(msgid="%(n)s job", plural="%(n)s jobs"),
        ),
        (
            '{% blocktranslate count n=n context "c" %}one{% plural %}many{% endblocktranslate %}',
            Message(msgid="one", plural="many", context="c"),
        ),
        ('{% include "a.html" with title=_("Save") %}', Message(msgid="Save")),
    ],
)
def test_every_tag_of_a_template_is_found(tag: str, message: Message) -> None:
    assert list(template_messages(f"<p>gettext {tag}</p>", "a.html")) == [message]


@pytest.mark.parametrize(
    ("message", "found", "fault"),
    [
        (Message(msgid="Save"), entry("Other", "别的"), "is missing"),
        (Message(msgid="Save", context="verb"), entry("Save", "保存"), "is missing"),
        (Message(msgid="Save"), entry("Save", ""), "is not translated"),
        (Message(msgid="Save"), entry("Save", "保存", flags=["fuzzy"]), "fuzzy"),
        (Message(msgid="Save"), entry("Save", "保存", obsolete=True), "is missing"),
        (Message(msgid="a job", plural="jobs"), entry("a job", "任务"), "is not translated"),
        (Message(msgid="Run %(n)s"), entry("Run %(n)s", "运行"), "placeholders"),
        (Message(msgid="Run %s"), entry("Run %s", "运行 %d"), "placeholders"),
        (Message(msgid="{count} lines"), entry("{count} lines", "{number} 行"), "placeholders"),
        (Message(msgid="<b>Now</b>"), entry("<b>Now</b>", "<b>现在"), "HTML tags"),
    ],
)
def test_check_reports_a_fault(message: Message, found: polib.POEntry, fault: str) -> None:
    (line,) = faults(message, found)
    assert fault in line


def test_check_is_content_with_a_faithful_translation() -> None:
    assert faults(Message(msgid="Run %(n)s of {x}"), entry("Run %(n)s of {x}", "{x} 的运行 %(n)s")) == []


def test_plural_is_compared_with_the_plural_text() -> None:
    found = polib.POEntry(msgid="one job", msgid_plural="%(n)d jobs", msgstr_plural={0: "%(n)d 个任务"})
    assert faults(Message(msgid="one job", plural="%(n)d jobs"), found) == []


def test_update_keeps_translations_and_drops_what_nobody_asks_for() -> None:
    old = polib.POFile()
    old.extend([entry("Save", "保存"), entry("Gone", "没了")])
    new = updated(old, {Message(msgid="Save"): {"b.py", "a.py"}, Message(msgid="New"): {"a.py"}})
    assert [(one.msgid, one.msgstr) for one in new] == [("New", ""), ("Save", "保存")]
    assert new.find("Save").occurrences == [("a.py", ""), ("b.py", "")]


def test_command_fails_until_the_texts_are_translated(settings: Any, tmp_path: Path) -> None:
    settings.LOCALE_PATHS = [tmp_path]
    call_command("messages", "--update", stdout=io.StringIO())
    assert "Save" in {one.msgid for one in read(catalog_path())}
    said = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("messages", "--check", stdout=said)
    assert ended.value.code == 1
    assert "'Save' is not translated." in said.getvalue()


def test_texts_of_templates_and_apps_are_both_found() -> None:
    places = {place for found in own_messages().values() for place in found}
    assert any(place.startswith("templates/") for place in places)
    assert any(place.startswith("jobs/models/") for place in places)
    assert not any(place.startswith((".venv", "tests/")) for place in places)


def test_our_catalog_is_complete() -> None:
    assert list(problems(read(catalog_path()), wanted_messages())) == []


def test_our_catalog_says_how_chinese_counts() -> None:
    """Without the header gettext would use the English rule and find no text for one thing."""
    assert read(catalog_path()).metadata["Plural-Forms"] == "nplurals=1; plural=0;"
