"""`make bench` works: small sizes on the embedded default, every figure with its baseline."""

import json
import subprocess
import sys

import pytest

from bench.figures import names
from tests.stack import ROOT

POSTGRES_ONLY = {"history"}  # millions of rows are made with its generate_series


@pytest.mark.stack
def test_every_figure_stands_beside_its_baseline():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--sqlite"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert {figure["group"] for figure in figures} == set(names()) - POSTGRES_ONLY
    nothing = [figure["figure"] for figure in figures if figure["value"] <= 0 and "≤ " not in (figure["target"] or "")]
    assert not nothing  # where there is a most, none may be best: broken rows, runs that still wait
    assert all(figure["verdict"] in ("reached", "missed") for figure in figures if figure["target"])
