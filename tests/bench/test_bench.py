"""`make bench` works: small sizes on the embedded default, every figure with its baseline."""

import json
import subprocess
import sys

import pytest

from tests.stack import ROOT


@pytest.mark.stack
def test_every_figure_stands_beside_its_baseline():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--sqlite"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(figures) == 6
    assert all(figure["value"] > 0 and figure["baseline_value"] > 0 and figure["baseline"] for figure in figures)
