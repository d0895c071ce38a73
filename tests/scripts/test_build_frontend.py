"""Building the page scripts: an enhancement, so that a machine without Node.js loses nothing but comfort."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(tmp_path: Path) -> ModuleType:
    """The script, working on a small frontend of its own."""
    spec = importlib.util.spec_from_file_location("build_frontend_copy", ROOT / "scripts" / "build_frontend.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    frontend = tmp_path / "frontend"
    (frontend / "src" / "lib").mkdir(parents=True)
    (frontend / "package.json").write_text("{}")
    (frontend / "src" / "logs.ts").write_text("export {};")
    (frontend / "src" / "lib" / "dom.ts").write_text("export {};")
    places = {"FRONTEND": frontend, "DIST": frontend / "dist", "STAMP": frontend / "dist" / ".stamp"}
    for name, place in {**places, "MODULES": frontend / "node_modules"}.items():
        setattr(module, name, place)
    return module


def mark_as_built(script: ModuleType) -> None:
    (script.DIST / "portal").mkdir(parents=True)
    for name in script.entry_names():
        (script.DIST / "portal" / name).write_text("built")
    script.STAMP.write_text(script.fingerprint(script.input_files()))


@pytest.mark.parametrize(
    ("version", "suitable"),
    [
        ((0, 0), False),
        ((18, 20), False),
        ((20, 18), False),
        ((20, 19), True),
        ((21, 7), False),
        ((22, 11), False),
        ((22, 12), True),
        ((24, 0), True),
    ],
)
def test_only_versions_that_vite_supports_are_used(
    script: ModuleType, version: tuple[int, int], suitable: bool
) -> None:
    assert script.is_suitable(version) is suitable


def test_a_program_that_does_not_start_has_no_version(script: ModuleType, tmp_path: Path) -> None:
    assert script.version_of(str(tmp_path / "absent")) == (0, 0)
    assert script.version_of(shutil.which("true") or "true") == (0, 0)


def test_each_script_directly_in_src_is_an_entry(script: ModuleType) -> None:
    assert script.entry_names() == ["logs.js"]


def test_nothing_is_done_when_nothing_changed(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_as_built(script)
    monkeypatch.setenv("PATH", "")
    assert script.main(["--strict"]) == 0


@pytest.mark.parametrize("change", ["src/lib/dom.ts", "src/new.ts", "package-lock.json"])
def test_a_changed_source_is_built_again(script: ModuleType, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_as_built(script)
    (script.FRONTEND / change).write_text("changed")
    asked: list[str] = []
    monkeypatch.setattr(script, "find_node", lambda: asked.append("node"))
    monkeypatch.setattr(script, "install_packages", lambda node, *, development: None)
    monkeypatch.setattr(script, "build", lambda node, wanted: None)
    script.main([])
    assert asked == ["node"]


def test_a_missing_output_is_built_again(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_as_built(script)
    (script.DIST / "portal" / "logs.js").unlink()
    monkeypatch.setattr(script, "find_node", lambda: (_ for _ in ()).throw(script.BuildFailed("asked for node")))
    assert script.main(["--strict"]) == 1


def test_without_node_one_line_says_so_and_setup_goes_on(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "frontend" / "src", tmp_path / "frontend" / "src")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "build_frontend.py", tmp_path / "scripts")
    # -S and -I: no virtual environment, so that nothing is installed either.
    command = [str(Path(sys.base_prefix) / "bin" / "python3"), "-I", "-S", "scripts/build_frontend.py"]
    done = subprocess.run(command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == "Frontend: Node.js 20.19 or newer was not found; plain form fields are used.\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", "it gave no reason"),
        (
            "npm warn old\nnpm error code E404\nnpm error 404 Not found\nnpm error A complete log of this run",
            "404 Not found",
        ),
        ("vite\nerror: Could not resolve './x'\n    at build (x.js:1)\n", "error: Could not resolve './x'"),
    ],
)
def test_the_line_that_says_what_went_wrong_is_shown(script: ModuleType, output: str, words: str) -> None:
    assert script.last_words(output) == words
