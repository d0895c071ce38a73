"""`make faults`: the whole fault suite on every lane of this machine, and a table of lane × test."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tests.places import PLACES

ROOT = Path(__file__).resolve().parent.parent.parent
MARKS = {"passed": "✓", "failed": "✗", "skipped": "–", "": " "}


def main() -> int:
    options = argparse.ArgumentParser(prog="make faults", description=__doc__)
    options.add_argument("--lane", default=os.environ.get("FAULTS_LANE") or ",".join(PLACES))
    options.add_argument("--slow", action="store_true", help="also the tests that take minutes each")
    options.add_argument("--workers", default="1", help="tests at a time on the SQLite lane; others go one by one")
    chosen, rest = options.parse_known_args()
    verdicts: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for lane in chosen.lane.split(","):
            print(f"\n== {lane}", flush=True)
            report = Path(folder) / f"{lane}.xml"
            environ = os.environ | {"FAULTS_LANE": lane, "FAULTS_SLOW": "1" if chosen.slow else ""}
            several = ["-n", chosen.workers] if lane == "sqlite" and chosen.workers != "1" else []
            where = [] if any(word.startswith("tests/") for word in rest) else ["tests/faults"]
            command = [sys.executable, "-m", "pytest", "-q", *where, f"--junitxml={report}", *several, *rest]
            code = subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode
            if code not in (0, 1):
                print(f"The lane {lane} did not run: pytest ended with {code}.")
                return code
            for name, verdict in read_report(report):
                # A failing checker counts after a test that passed.
                before = verdicts.setdefault(name, {}).get(lane, "")
                verdicts[name][lane] = "failed" if "failed" in (before, verdict) else verdict
    print(table(verdicts, chosen.lane.split(",")))
    return int(any("failed" in of.values() for of in verdicts.values()))


def read_report(path: Path) -> Iterator[tuple[str, str]]:
    """(test, verdict) for each entry of a JUnit report; the lane is taken out of the test's name."""
    for case in ElementTree.parse(path).iter("testcase"):  # our own file
        outcome = {child.tag for child in case}
        verdict = "failed" if outcome & {"failure", "error"} else "skipped" if "skipped" in outcome else "passed"
        module = case.get("classname", "").rpartition(".")[2].removeprefix("test_")
        yield f"{module}: {plain_name(case.get('name', ''))}", verdict


def plain_name(name: str) -> str:
    """A test's name as a sentence, its parameters behind it, without the lane."""
    function, _bracket, inside = name.partition("[")
    parameters = [part for part in inside.rstrip("]").split("-") if part and part not in PLACES]
    words = re.sub(r"^test_", "", function).replace("_", " ")
    return f"{words} ({', '.join(parameters)})" if parameters else words


def table(verdicts: dict[str, dict[str, str]], lanes: list[str]) -> str:
    lines = ["", "  ".join(f"{lane:>8}" for lane in lanes)]
    for name, of in verdicts.items():
        lines.append("  ".join(f"{MARKS[of.get(lane, '')]:>8}" for lane in lanes) + f"  {name}")
    failed = sum("failed" in of.values() for of in verdicts.values())
    return "\n".join([*lines, "", f"{len(verdicts)} tests, {failed} failed. ✓ passed  ✗ failed  – skipped"])


if __name__ == "__main__":
    sys.exit(main())
