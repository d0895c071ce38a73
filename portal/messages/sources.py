"""Where texts come from: our own apps, and what the installed packages leave untranslated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import django
import polib
from django.apps import AppConfig, apps
from django.conf import settings
from django.template import engines

from portal.messages.message import Message
from portal.messages.python_source import Untranslatable, python_messages, refuse_formatted
from portal.messages.template_source import template_messages

LOCALE = "zh_Hans"
TEMPLATE_SUFFIXES = {".html", ".txt"}
Found = dict[Message, set[str]]


def wanted_messages() -> Found:
    """Every text the catalogue has to hold, and the files or packages that ask for it."""
    found = own_messages()
    known = _already_translated()
    for message, places in _package_messages().items():
        if message.key not in known:
            found.setdefault(message, set()).update(places)
    return found


def own_messages() -> Found:
    root = Path(settings.BASE_DIR)
    folders = [Path(app.path) for app in apps.get_app_configs() if _is_ours(app)]
    folders += [Path(folder) for engine in engines.all() for folder in engine.dirs]
    found: Found = {}
    for folder in folders:
        for path in _source_files(folder):
            if path.suffix == ".py":
                _refuse_formatted(path)
            for message in file_messages(path):
                found.setdefault(message, set()).add(path.relative_to(root).as_posix())
    return found


def file_messages(path: Path) -> list[Message]:
    """The texts of one Python file or template."""
    source = path.read_text(encoding="utf-8")
    return list(python_messages(source) if path.suffix == ".py" else template_messages(source, str(path)))


def _refuse_formatted(path: Path) -> None:
    """An f-string in a package is its author's affair; in ours it is a fault, told with the file's name."""
    try:
        refuse_formatted(path.read_text(encoding="utf-8"))
    except Untranslatable as problem:
        raise Untranslatable(f"{path.relative_to(settings.BASE_DIR)}: {problem}") from None


def _is_ours(app: AppConfig) -> bool:
    return Path(app.path).parent == Path(settings.BASE_DIR)


def _source_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if "tests" in parts or "locale" in parts or "static" in parts:
            continue
        if path.suffix == ".py" or (path.suffix in TEMPLATE_SUFFIXES and _is_template(path)):
            yield path


def _is_template(path: Path) -> bool:
    return "templates" in path.parts


def _package_messages() -> Found:
    """The texts of installed packages. Django ships its own list; the others are read from their source."""
    found: Found = {}
    for app in apps.get_app_configs():
        if _is_ours(app):
            continue
        own = _shipped_list(Path(app.path) / "locale") if app.name.startswith("django.") else _package_files(app)
        for message in own:
            found.setdefault(message, set()).add(app.name)
    for message in _shipped_list(Path(django.__file__).parent / "conf" / "locale"):
        found.setdefault(message, set()).add("django")
    return found


def _package_files(app: AppConfig) -> Iterator[Message]:
    for path in _source_files(Path(app.path)):
        yield from file_messages(path)


def _shipped_list(locale: Path) -> Iterator[Message]:
    catalog = locale / "en" / "LC_MESSAGES" / "django.po"
    if not catalog.exists():
        return
    for entry in polib.pofile(str(catalog)):
        yield Message(msgid=entry.msgid, context=entry.msgctxt or "", plural=entry.msgid_plural or "")


def _already_translated() -> set[tuple[str, str]]:
    """The keys that the packages' own compiled catalogues answer."""
    locales = [Path(app.path) / "locale" for app in apps.get_app_configs() if not _is_ours(app)]
    locales.append(Path(django.__file__).parent / "conf" / "locale")
    return {
        (entry.msgctxt or "", entry.msgid)
        for locale in locales
        for compiled in [locale / LOCALE / "LC_MESSAGES" / "django.mo"]
        if compiled.exists()
        for entry in polib.mofile(str(compiled))
        if entry.msgstr or any(entry.msgstr_plural.values())
    }
