"""The kernel's own memory killer, in a control group made for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GROUPS = Path("/sys/fs/cgroup/memory")
HOG = "kept = [bytearray(2**20) for _ in range(4096)]"
# A worker that puts itself, and so its zygote, runners and scripts, into the group it is given.
WORKER = f"""
import os, sys, time
from pathlib import Path
from jobs.runner.client import RunnerPool
from jobs.runner.spec import RunnerSpec
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
pool = RunnerPool()
for argv in (
    (sys.executable, "-c", {HOG!r}),
    ("/bin/sh", "-c", sys.executable + " -c '{HOG}'; exit $?"),
    ("/bin/sh", "-c", "kill -9 $$"),
):
    spec = RunnerSpec(argv=argv, env={{"PATH": os.defpath}}, cwd="/", lease_deadline=time.monotonic() + 60)
    ended = list(pool.spawn(spec).events())[-1]
    print(ended.signal, ended.exit_code, ended.oom_hint, ended.peak_memory_bytes > 100 * 2**20)
pool.close()
"""


def test_the_kernels_memory_killer_is_told_from_any_other_kill() -> None:
    group = GROUPS / f"portal-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(200 * 2**20))
    except OSError:
        pytest.skip("no memory control group can be made here")
    try:
        program = [sys.executable, "-c", WORKER, str(group)]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    finally:
        group.rmdir()
    assert done.stdout.splitlines() == ["9 None True True", "None 137 True True", "9 None False False"]
