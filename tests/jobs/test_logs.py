"""The log writer: masked, capped, gapless."""

from contextlib import suppress

import pytest
from django.db import DatabaseError, OperationalError, connection

from jobs.logs import CHUNK_CHARS, LogWriter
from jobs.models import LogChunk
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt():
    return rows.attempt(rows.run(rows.job()))


def stored():
    return list(LogChunk.objects.order_by("seq").values_list("seq", "stream", "text"))


def test_small_pieces_of_one_stream_share_a_chunk(attempt):
    writer = LogWriter(attempt, cap=1000)
    for piece in ("a", "b", "c"):
        writer.write(piece)
    writer.write("err", "stderr")
    writer.close()
    assert stored() == [(1, "stdout", "abc"), (2, "stderr", "err")]


def test_numbers_go_on_over_flushes(attempt):
    writer = LogWriter(attempt, cap=1000)
    writer.write("a")
    writer.flush()
    writer.write("b")
    writer.close()
    assert [seq for seq, _stream, _text in stored()] == [1, 2]


def test_a_long_piece_becomes_several_chunks(attempt):
    writer = LogWriter(attempt, cap=10 * CHUNK_CHARS)
    writer.write("x" * (2 * CHUNK_CHARS + 1))
    writer.close()
    assert [len(text) for _seq, _stream, text in stored()] == [CHUNK_CHARS, CHUNK_CHARS, 1]


def test_a_secret_is_masked_also_across_pieces(attempt):
    writer = LogWriter(attempt, secrets=["hunter2secret"], cap=1000)
    writer.write("key=hunter2")
    writer.write("secret!\n")
    writer.close()
    text = "".join(text for _seq, _stream, text in stored())
    assert "hunter2" not in text
    assert text.startswith("key=")
    assert text.endswith("!\n")


def test_beyond_the_cap_only_the_portal_speaks(attempt):
    writer = LogWriter(attempt, cap=3)
    writer.write("héllo")
    writer.say("Cut.")
    writer.close()
    assert stored() == [(1, "stdout", "hé"), (2, "system", "Cut.\n")]
    assert (writer.stored_bytes, writer.is_truncated) == (3, True)


def test_a_failed_flush_keeps_everything_in_order(attempt, monkeypatch):
    writer = LogWriter(attempt, cap=1000)
    writer.write("a")

    def fail(*args, **kwargs):
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr("jobs.logs.insert_many", fail)
        with pytest.raises(DatabaseError):
            writer.flush()
    writer.write("b")
    writer.close()
    assert "".join(text for _seq, _stream, text in stored()) == "ab"


def test_nul_characters_do_not_break_the_ledger(attempt):
    writer = LogWriter(attempt, cap=1000)
    writer.write("a\x00b")
    writer.close()
    assert stored() == [(1, "stdout", "a�b")]


@pytest.mark.django_db(transaction=True)
def test_a_chunk_whose_commit_failed_is_written_although_another_log_got_its_number(attempt, monkeypatch):
    first, second = LogWriter(attempt, cap=99), LogWriter(rows.attempt(attempt.run, 2), cap=99)
    first.write("first")
    second.write("second")

    def fail():
        monkeypatch.undo()
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(connection, "_commit", fail)
    with suppress(OperationalError):
        first.flush()
    second.flush()
    first.flush()
    assert sorted(text for _seq, _stream, text in stored()) == ["first", "second"]
