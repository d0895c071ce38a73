"""Output arrives in order, soon, whole and bounded."""

from __future__ import annotations

import os
import signal
import socket
import time

from jobs.runner import frames
from jobs.runner.outbox import BATCH_BYTES, BATCH_SECONDS, FULL_BYTES, Outbox
from tests.jobs.runner.attempts import Attempts, eventually, status_line

MEGABYTE = 2**20


def test_streams_are_told_apart_and_stamped(attempts: Attempts) -> None:
    attempt = attempts.shell("echo out; echo err >&2")
    attempt.end()
    assert (attempt.text("stdout"), attempt.text("stderr")) == ("out\n", "err\n")
    assert all(event.at.tzinfo is not None for event in attempt.outputs())


def test_lines_arrive_while_the_script_runs(attempts: Attempts) -> None:
    attempt = attempts.shell("echo first; sleep 60")
    attempt.read_until("first\n")
    attempt.handle.cancel()
    assert attempt.end().reason == "cancelled"


def test_many_small_lines_arrive_in_few_pieces_and_in_order(attempts: Attempts) -> None:
    attempt = attempts.python("for n in range(20000): print(n)")
    attempt.end()
    assert attempt.text("stdout") == "".join(f"{n}\n" for n in range(20000))
    assert len(list(attempt.outputs())) < 1000


def test_flood_is_capped_counted_and_costs_no_memory(attempts: Attempts) -> None:
    attempt = attempts.python(
        "import os, time\nfor _ in range(200): os.write(1, b'x' * 2**20)\nopen('done', 'w').close()\ntime.sleep(60)",
        output_cap=100_000,
    )
    attempt.read_start()
    assert eventually((attempts.cwd / "done").exists, seconds=20)  # although nobody reads
    assert 0 < status_line(attempt.handle.pid, "VmHWM") < 40 * 1024
    attempt.handle.cancel()
    ended = attempt.end()
    assert (ended.output_bytes, ended.dropped_bytes) == (100_000, 200 * MEGABYTE - 100_000)
    assert ended.truncated
    assert len(attempt.text("stdout")) == 100_000


def test_flood_ends_by_itself(attempts: Attempts) -> None:
    attempt = attempts.python("import os\nfor _ in range(50): os.write(1, b'y\\n' * 2**19)", output_cap=1000)
    ended = attempt.end()
    assert (ended.reason, ended.exit_code, ended.output_bytes) == ("exited", 0, 1000)
    assert ended.dropped_bytes == 50 * MEGABYTE - 1000


def test_slow_worker_makes_the_script_wait_and_no_memory_grow(attempts: Attempts) -> None:
    attempt = attempts.python(
        "import os\n"
        "progress = open('progress', 'wb', buffering=0)\n"
        "while True: os.write(1, b'z' * 65536); progress.write(b'.')",
        output_cap=10**12,
    )
    attempt.read_start()
    written = attempts.cwd / "progress"
    sizes = [-1]
    while len(sizes) < 100 and not (written.exists() and sizes[-1] == written.stat().st_size):
        sizes.append(written.stat().st_size if written.exists() else -1)
        time.sleep(0.2)
    assert 0 < sizes[-1] < 32  # of 64 KiB: an endless line fills pipe and socket, then nothing moves
    assert status_line(attempt.handle.pid, "VmHWM") < 40 * 1024
    attempt.handle.cancel()
    ended = attempt.end()
    assert ended.output_bytes == len(attempt.text("stdout"))


def test_end_waits_for_a_reader_that_sleeps(attempts: Attempts) -> None:
    attempt = attempts.python("import os\nos.write(1, b'q' * 600000); os.write(1, b'last')", output_cap=10**9)
    time.sleep(0.3)
    attempt.end()
    assert attempt.text("stdout") == "q" * 600000 + "last"


def test_what_the_pipe_still_holds_at_the_end_is_not_lost(attempts: Attempts) -> None:
    attempt = attempts.python(
        "import os, time\n"
        "os.set_blocking(1, False)\n"
        "total = idle = 0\n"
        "while idle < 20:\n"
        "    try: total += os.write(1, b'x' * 4096); idle = 0\n"
        "    except BlockingIOError: idle += 1; time.sleep(0.01)\n"
        "open('total', 'w').write(str(total))\n",
        output_cap=10**9,
    )
    script = attempt.read_start().pid
    assert eventually(lambda: not os.path.exists(f"/proc/{script}"))  # it ended while nobody read
    attempt.end()
    assert len(attempt.text("stdout")) == int((attempts.cwd / "total").read_text()) > 2**18


def test_bytes_that_are_not_utf8_are_replaced(attempts: Attempts) -> None:
    attempt = attempts.shell(r"printf 'a\377b\n\303'")
    attempt.end()
    assert attempt.text("stdout") == "a�b\n�"


def test_character_split_over_two_writes_stays_whole(attempts: Attempts) -> None:
    attempt = attempts.python(
        "import os, time\nfor byte in '雪'.encode(): os.write(1, bytes([byte])); time.sleep(0.12)"
    )
    attempt.end()
    assert attempt.text("stdout") == "雪"


def test_cap_in_the_middle_of_a_character_leaves_no_broken_one(attempts: Attempts) -> None:
    attempt = attempts.shell("printf '雪雪雪'", output_cap=4)
    ended = attempt.end()
    assert (attempt.text("stdout"), ended.output_bytes, ended.dropped_bytes) == ("雪", 4, 5)


def test_runner_that_waits_for_a_frozen_worker_still_keeps_the_timeout(attempts: Attempts) -> None:
    attempt = attempts.python("import os\nwhile True: os.write(1, b'z' * 65536)", output_cap=10**12, timeout=0.3)
    script = attempt.read_start().pid
    assert eventually(lambda: not os.path.exists(f"/proc/{script}"))  # nobody reads: the runner did it
    assert attempt.end().signal == signal.SIGTERM


# --- the box itself


def test_first_line_is_due_at_once_and_the_next_after_a_pause() -> None:
    box = Outbox(1000)
    box.accept(1, b"first\n", wall=0.0)
    assert box.flush_due_at() == float("-inf")
    box.flush(100.0)
    assert box.flush_due_at() is None
    box.accept(1, b"second\n", wall=0.0)
    assert box.flush_due_at() == 100.0 + BATCH_SECONDS


def test_large_batch_is_due_at_once() -> None:
    box = Outbox(10 * BATCH_BYTES)
    box.flush(100.0)
    box.accept(1, b"x" * BATCH_BYTES, wall=0.0)
    assert box.flush_due_at() == float("-inf")


def test_box_is_full_until_the_worker_reads() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        box = Outbox(10 * FULL_BYTES)
        box.accept(1, b"x" * FULL_BYTES, wall=0.0)
        assert box.full
        box.flush(0.0)
        reader = frames.FrameReader()
        received: list[tuple[bytes, bytes]] = []
        while not received:
            box.send(ours)
            received += reader.feed(theirs.recv(BATCH_BYTES))
        assert not box.full
        assert received == [(frames.OUTPUT, frames.OUTPUT_HEAD.pack(1, 0.0) + b"x" * FULL_BYTES)]


def test_box_beyond_its_cap_is_never_full() -> None:
    box = Outbox(FULL_BYTES)
    box.accept(1, b"x" * (FULL_BYTES + 1), wall=0.0)
    assert (box.full, box.output_bytes, box.dropped_bytes) == (False, FULL_BYTES, 1)


def test_abandoned_box_keeps_nothing() -> None:
    box = Outbox(FULL_BYTES)
    box.accept(1, b"x", wall=0.0)
    box.abandon()
    box.accept(1, b"y", wall=0.0)
    box.flush(0.0)
    assert not box.pending
