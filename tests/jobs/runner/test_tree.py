from __future__ import annotations

import os
import subprocess
import sys

from jobs.runner import tree


def test_look_reads_names_with_spaces_and_brackets() -> None:
    rename = "open('/proc/self/comm', 'w').write('a) S (b'); print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", rename], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.readline()
        found = tree.look(process.pid)
    finally:
        process.kill()
        process.communicate()
    assert found is not None
    assert (found.pid, found.parent, found.group) == (process.pid, os.getpid(), process.pid)


def test_look_finds_no_zombie_and_no_stranger() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    zombie = tree.look(process.pid)
    process.wait()
    assert (zombie, tree.look(process.pid)) == (None, None)


def test_descendants_are_found_parents_first_and_skipped_with_their_subtree() -> None:
    outer = subprocess.Popen(["sh", "-c", "sh -c 'sleep 60 & echo $!; wait' & wait"], stdout=subprocess.PIPE)
    assert outer.stdout is not None
    with outer.stdout:
        innermost = int(outer.stdout.readline())
        found = [process.pid for process in tree.descendants(os.getpid())]
        skipped = [process.pid for process in tree.descendants(os.getpid(), skip={outer.pid})]
        for pid in tree.descendants(outer.pid):
            os.kill(pid.pid, 9)
    outer.wait()
    assert found.index(outer.pid) < found.index(innermost)
    assert outer.pid not in skipped
    assert innermost not in skipped
