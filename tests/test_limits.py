"""The limits on the tail: sizes, migrations, commands, nothing of one workplace."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

from tests import source
from tests.source import APPS, ROOT

OURS = (*APPS, "tests", "scripts", "bench")
MODULE_LINES, FUNCTION_LINES, CLASS_LINES, ARGUMENTS = 400, 60, 250, 6
TEMPLATE_LINES, SETTINGS_LINES = 150, 300
PRIVATE_HOST = re.compile(r"https?://[^\s/\"'`<>]*(?:artifactory|nexus|\.internal|\.corp|\.intranet)\b", re.IGNORECASE)
PIP_OPTION = re.compile(
    r"^\s*(-i|--index-url|--extra-index-url|--find-links|-f|--trusted-host)\b|file://", re.MULTILINE
)


def too_long(path: Path, limit: int) -> bool:
    return len(path.read_text(encoding="utf-8").splitlines()) > limit


def oversized(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and argument lists over the limits."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if _lines(node) > FUNCTION_LINES:
                yield f"{node.lineno} {node.name} has {_lines(node)} lines"
            if _arguments(node) > ARGUMENTS:
                yield f"{node.lineno} {node.name} takes {_arguments(node)} arguments"
        elif isinstance(node, ast.ClassDef) and _lines(node) > CLASS_LINES:
            yield f"{node.lineno} {node.name} has {_lines(node)} lines"


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([one for one in named if one.arg not in {"self", "cls"}])


def tracked_files() -> list[Path]:
    """Every text file of the repository; everything below the root where there is no git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    skipped = {".venv", "node_modules", "var", "dist", "__pycache__"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not skipped & set(path.parts)]


def test_no_module_is_longer_than_its_limit() -> None:
    found = [str(path.relative_to(ROOT)) for path in source.modules(*OURS) if too_long(path, MODULE_LINES)]
    assert not found


def test_no_function_class_or_argument_list_is_over_its_limit() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in source.modules(*OURS) for line in oversized(source.tree(path))
    ]
    assert not found, "\n".join(found)


def test_no_template_is_longer_than_its_limit() -> None:
    pages = [path for path in tracked_files() if "templates" in path.parts and path.suffix in {".html", ".txt"}]
    assert not [str(path.relative_to(ROOT)) for path in pages if too_long(path, TEMPLATE_LINES)]


def test_settings_stay_one_short_file() -> None:
    assert not too_long(ROOT / "portal" / "settings.py", SETTINGS_LINES)


def test_a_limit_that_is_broken_is_seen(tmp_path: Path) -> None:
    long = tmp_path / "long.py"
    long.write_text("x = 1\n" * (MODULE_LINES + 1))
    body = "    x = 1\n" * FUNCTION_LINES
    code = (
        f"def f(self, a, b, c, d, e, *, g, h):\n{body}class C:\n{'    x = 1' + chr(10):s}" + "    y = 1\n" * CLASS_LINES
    )
    assert too_long(long, MODULE_LINES)
    assert len(list(oversized(ast.parse(code)))) == 3


def leaves(app: str) -> list[str]:
    loader = MigrationLoader(None)
    return [name for label, name in loader.graph.leaf_nodes() if label == app]


@pytest.mark.parametrize("app", [name for name in APPS if (ROOT / name / "migrations").is_dir()])
def test_each_app_has_one_migration_leaf_and_named_migrations(app: str) -> None:
    names = [path.stem for path in (ROOT / app / "migrations").glob("[0-9]*.py")]
    assert len(leaves(app)) == 1
    assert not [name for name in names if "_auto_" in name or re.fullmatch(r"\d+", name)]


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def commands() -> list[str]:
    return [
        path.stem
        for app in APPS
        for path in (ROOT / app / "management" / "commands").glob("*.py")
        if not path.stem.startswith("_")
    ]


def mentions(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


@pytest.mark.parametrize("name", commands())
def test_every_command_has_a_test_and_is_documented(name: str) -> None:
    here = Path(__file__)
    tests = "\n".join(path.read_text() for path in source.modules("tests") if path != here)
    docs = "\n".join(path.read_text() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    assert mentions(name, tests), f"no test calls {name}"
    assert mentions(f"manage.py {name}", docs) or mentions(f"`{name}", docs), f"docs/commands.md lacks {name}"


def test_a_command_that_nobody_mentions_is_seen() -> None:
    assert not mentions("up", "cleanup, start-up and upper")
    assert mentions("up", "call_command('up')")


def workplace_traces(text: str) -> list[str]:
    """What only one workplace has: private package hosts, and the path of this checkout."""
    found = [match.group() for match in PRIVATE_HOST.finditer(text)]
    if len(ROOT.parts) > 2 and re.search(rf"{re.escape(str(ROOT))}(?![\w-])", text):
        found.append(str(ROOT))
    return found


def test_nothing_names_one_workplace() -> None:
    found = []
    for path in tracked_files():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {trace}" for trace in workplace_traces(text)]
    assert not found, "\n".join(found)


def test_packages_come_from_the_public_registries() -> None:
    pip = [path.name for path in (ROOT / "requirements").glob("*.txt") if PIP_OPTION.search(path.read_text())]
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    npm = [one["resolved"] for one in lock["packages"].values() if one.get("resolved")]
    assert not pip
    assert not npm


def test_a_trace_of_a_workplace_is_seen() -> None:
    assert workplace_traces("see https://packages.example.internal/simple")
    assert workplace_traces(f"cd {ROOT} && make")
    assert PIP_OPTION.search("--index-url https://example.org/simple")
