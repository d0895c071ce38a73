from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.runner.attempts import Attempts


@pytest.fixture
def attempts(tmp_path: Path) -> Iterator[Attempts]:
    started = Attempts(tmp_path)
    yield started
    started.pool.close()
    for pid in started.survivors():  # a failed test must not leave its daemons to the next
        os.kill(pid, signal.SIGKILL)
