"""Set-up finds a suitable Python or says in one sentence what is missing, and does nothing twice."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tests.source import ROOT

YOUNG_ENOUGH = '#!/bin/sh\ncase "$2" in *version_info*) exit 0;; esac\n'


def start(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run setup.sh where PATH has only these programs and no virtual environment exists."""
    for name, text in programs.items():
        program = folder / name.replace("_", ".")
        program.write_text(text)
        program.chmod(0o755)
    environ = {"PATH": str(folder), "VENV": str(folder / "none"), "SYSTEM_PYTHON": str(folder / "none")}
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "setup.sh"), "--dev"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_no_python_is_one_sentence_that_says_what_to_install(tmp_path: Path) -> None:
    done = start(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Python 3.11 or newer was not found" in done.stderr


def test_a_python_without_venv_names_the_debian_package(tmp_path: Path) -> None:
    done = start(tmp_path, python3=YOUNG_ENOUGH + "exit 1\n")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "apt-get install python3-venv" in done.stderr


def test_a_shim_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    done = start(tmp_path, python3_11="#!/bin/sh\nexit 127\n", python3=YOUNG_ENOUGH + 'echo "chosen $2"\n')
    assert (done.returncode, done.stdout) == (0, "chosen import ensurepip, venv\nchosen --dev\n")


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """scripts/setup.py on an environment and requirements of the test's own."""
    spec = importlib.util.spec_from_file_location("portal_setup", ROOT / "scripts" / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    for name in ("base.txt", "dev.txt", "mysql.txt"):
        (requirements / name).write_text("# nothing\n")
    (tmp_path / "venv").mkdir()
    monkeypatch.setattr(module, "REQUIREMENTS", requirements)
    monkeypatch.setattr(module, "VENV", tmp_path / "venv")
    return module


class Pip:
    """Stands in for pip, which would need a package index: counts and answers."""

    def __init__(self, returncode: int = 0, stderr: str = "") -> None:
        self.calls: list[str] = []
        self.returncode, self.stderr = returncode, stderr

    def __call__(self, requirements: str, *, timeout: float) -> subprocess.CompletedProcess[str]:
        self.calls.append(requirements)
        return subprocess.CompletedProcess([], self.returncode, "", self.stderr)


def test_packages_are_installed_again_only_when_the_pins_change(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip()
    monkeypatch.setattr(setup, "pip_install", pip)
    setup.install_packages(development=False)
    setup.install_packages(development=False)
    assert pip.calls == ["base.txt"]
    (setup.REQUIREMENTS / "base.txt").write_text("Django==0\n")
    setup.install_packages(development=False)
    assert pip.calls == ["base.txt", "base.txt"]


def test_what_the_tests_need_includes_what_the_portal_needs(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip()
    monkeypatch.setattr(setup, "pip_install", pip)
    setup.install_packages(development=True)
    setup.install_packages(development=False)
    assert pip.calls == ["dev.txt"]


def test_a_failed_installation_is_told_in_pips_last_words_and_tried_again(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(1, "noise\nERROR: No matching distribution found for nothing==1\nhint\n")
    monkeypatch.setattr(setup, "pip_install", pip)
    for _ in range(2):
        with pytest.raises(setup.SetupFailed, match="No matching distribution found for nothing==1"):
            setup.install_packages(development=False)
    assert len(pip.calls) == 2


def test_without_headers_pymysql_stands_in_and_one_line_says_so(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "has_mysql_headers", lambda: False)
    monkeypatch.setattr(setup, "try_to_get_headers", lambda: None)
    setup.install_mysqlclient()
    setup.install_mysqlclient()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "PyMySQL stands in" in lines[0]


def test_only_changed_translations_are_compiled(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "portal" / "locale" / "en" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    po = folder / "django.po"
    po.write_text("")
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    assert setup.stale_translations() == [po]
    po.with_suffix(".mo").write_bytes(b"")
    os.utime(po, (1, 1))
    assert setup.stale_translations() == []
