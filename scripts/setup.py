#!/usr/bin/env python3
"""Makes this checkout ready to run: virtual environment, packages, page scripts, translations.

Standard library only, because it runs before anything is installed. Every step leaves a stamp of what it was
made from, so that a second start does nothing. `--dev` also installs what the tests and checks need.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("VENV") or ".venv")
VENV = VENV if VENV.is_absolute() else ROOT / VENV
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements"
MYSQL_HEADERS = ["default-libmysqlclient-dev", "pkg-config", "gcc", "libc6-dev", "python3-dev"]


class SetupFailed(Exception):
    """Set-up can't go on; the text is the sentence that the user reads."""


def say(text: str) -> None:
    print(text, flush=True)


def run(
    command: Sequence[str], *, timeout: float, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program without a terminal; a program that is missing or too slow counts as failed."""
    try:
        return subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"it took longer than {timeout:.0f} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["it gave no reason"])[-1]


# --- Virtual environment ---
def make_venv() -> None:
    """Create the environment, or replace one whose Python is gone."""
    if run([str(PYTHON), "-c", "import pip"], timeout=60).returncode == 0:
        return
    if VENV.is_symlink():
        raise SetupFailed(
            f"{VENV} points at {VENV.readlink()}, which is no working virtual environment. Remove the link."
        )
    say(f"Creating {VENV.name} with Python {sys.version.split()[0]} …")
    done = run([sys.executable, "-m", "venv", "--clear", str(VENV)], timeout=300)
    if done.returncode != 0:
        raise SetupFailed(f"The virtual environment {VENV} could not be created: {last_line(done)}")


# --- Packages ---
def digest(*names: str) -> str:
    """A fingerprint of requirement files and of the Python that they were installed for."""
    made = hashlib.sha256(str(PYTHON.resolve()).encode())
    for name in names:
        made.update((REQUIREMENTS / name).read_bytes())
    return made.hexdigest()


def is_stamped(name: str, wanted: str) -> bool:
    try:
        return (VENV / f".portal-{name}").read_text().strip() == wanted
    except OSError:
        return False


def stamp(name: str, wanted: str) -> None:
    (VENV / f".portal-{name}").write_text(wanted)


def pip_install(requirements: str, *, timeout: float) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    # Compiled files make the second start quick, whatever the caller's shell says about them.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return run([*command, "-r", str(REQUIREMENTS / requirements)], timeout=timeout, env=env)


def install_packages(*, development: bool) -> None:
    """Install the pinned packages when the pins changed since the last time."""
    wanted = digest("base.txt", "dev.txt")
    if is_stamped("dev", wanted) or (not development and is_stamped("base", digest("base.txt"))):
        return
    say("Installing the pinned packages (the first time takes a minute or two) …")
    done = pip_install("dev.txt" if development else "base.txt", timeout=1800)
    if done.returncode != 0:
        raise SetupFailed(f"The packages could not be installed. pip said: {last_line(done)}")
    if development:
        stamp("dev", wanted)
    stamp("base", digest("base.txt"))


# --- mysqlclient: has no Linux wheel, so it is built when that is possible ---
def has_mysql_headers() -> bool:
    """Whether a compiler, pkg-config and the client library's headers are there."""
    if not shutil.which("gcc") and not shutil.which("cc"):
        return False
    return any(
        run(["pkg-config", "--exists", name], timeout=20).returncode == 0
        for name in ("mysqlclient", "mariadb", "libmariadb")
    )


def try_to_get_headers() -> None:
    """Root on a Debian machine may install them; quietly, within limits, and never asking."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    say("Fetching the MySQL client headers …")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *MYSQL_HEADERS]
    if run(install, timeout=180, env=env).returncode == 100:  # the package lists are missing or old
        run(["apt-get", "update", "-qq"], timeout=90, env=env)
        run(install, timeout=180, env=env)


def install_mysqlclient() -> None:
    """Build the fast MySQL driver, once per pin; PyMySQL stands in when it can't be built."""
    wanted = digest("mysql.txt")
    if is_stamped("mysql", wanted):
        return
    reason = "its headers are not installed (Debian: default-libmysqlclient-dev, pkg-config, gcc)"
    if not has_mysql_headers():
        try_to_get_headers()
    if has_mysql_headers():
        say("Building mysqlclient …")
        done = pip_install("mysql.txt", timeout=300)
        reason = "" if done.returncode == 0 else re.sub(r"\s+", " ", last_line(done))[:160]
    if reason:
        say(f"mysqlclient was not built: {reason}. PyMySQL stands in; everything works, only slower on MySQL.")
    stamp("mysql", wanted)


# --- Page scripts and translations ---
def build_frontend() -> None:
    """The script knows what changed; whatever fails there leaves plain form fields and one line."""
    script = ROOT / "scripts" / "build_frontend.py"
    subprocess.run([str(PYTHON), str(script)], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)


def stale_translations() -> list[Path]:
    """The .po files whose .mo is missing or older."""
    catalogs = sorted(ROOT.glob("*/locale/*/LC_MESSAGES/*.po"))
    return [
        po for po in catalogs
        if not po.with_suffix(".mo").exists() or po.with_suffix(".mo").stat().st_mtime <= po.stat().st_mtime
    ]  # fmt: skip


def compile_translations() -> None:
    stale = stale_translations()
    if not stale:
        return
    say("Compiling the translations …")
    code = "import sys, polib\nfor po in sys.argv[1:]: polib.pofile(po).save_as_mofile(po[:-2] + 'mo')"
    done = run([str(PYTHON), "-c", code, *map(str, stale)], timeout=120)
    if done.returncode != 0:
        raise SetupFailed(f"A translation file could not be compiled: {last_line(done)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also install what the tests and checks need")
    options = parser.parse_args()
    try:
        make_venv()
        install_packages(development=options.dev)
        install_mysqlclient()
        build_frontend()
        compile_translations()
    except SetupFailed as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{error.filename or ROOT}: {error.strerror}. Check the rights and the free space there.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
