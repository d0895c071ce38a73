"""Secrets never reach a log, however the output is cut."""

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.lib.redact import MASK, Redactor

SECRET = "p@ss/w ö+rd?"


def stream(redactor, chunks):
    return "".join(redactor.feed(chunk) for chunk in chunks) + redactor.flush()


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_each_spelling_of_a_secret_is_masked(spelling):
    assert Redactor([SECRET]).redact(f"[{spelling}]") == f"[{MASK}]"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
def test_base64_of_a_longer_text_does_not_give_the_secret_away(before):
    coded = base64.b64encode(f"{before}{SECRET}tail".encode()).decode()
    masked = Redactor([SECRET]).redact(coded)
    assert MASK in masked
    assert not any(coded[i : i + 8] in masked for i in range(len(before) * 4 // 3 + 2, len(coded) - 14))


def test_overlapping_secrets_leave_no_rest():
    assert Redactor(["abcdef", "defghi"]).redact("xabcdefghiy") == f"x{MASK}y"


def test_a_secret_cut_into_single_characters_is_masked():
    assert stream(Redactor([SECRET]), list(f"a {SECRET} b")) == f"a {MASK} b"


def test_bytes_cut_inside_a_character_are_masked():
    chunks = [bytes([byte]) for byte in f"ö {SECRET} ö".encode()]
    assert stream(Redactor([SECRET]), chunks) == f"ö {MASK} ö"


def test_lines_of_a_long_secret_are_masked_one_by_one():
    assert Redactor(["first line\nsecond line"]).redact("  second line\n") == f"  {MASK}\n"


def test_text_without_secrets_is_passed_through_unchanged():
    text = "nothing to hide"
    assert Redactor([]).feed(text) is text


def test_secrets_under_four_characters_are_not_masked():
    assert Redactor(["abc", ""]).redact("abc") == "abc"


def test_only_a_possible_beginning_is_held_back():
    redactor = Redactor(["secret"])
    assert redactor.feed("all of this, se") == "all of this, "
    assert redactor.feed("ttled") == "settled"


def test_flush_starts_a_new_stream():
    redactor = Redactor(["abab"])
    assert redactor.feed("abab") + redactor.flush() == MASK
    assert redactor.feed("ababx") + redactor.flush() == f"{MASK}x"


alphabet = st.text(alphabet="ab%=", min_size=0, max_size=40)


@given(st.lists(st.text(alphabet="ab%=", min_size=4, max_size=8), max_size=4), st.lists(alphabet, max_size=8))
def test_any_cut_of_the_text_gives_the_same_masked_text(secrets, chunks):
    redactor = Redactor(secrets)
    assert stream(redactor, chunks) == redactor.redact("".join(chunks))


@given(st.text(min_size=4, max_size=30), st.text(max_size=10), st.text(max_size=10), st.data())
def test_no_secret_survives_in_any_cut(secret, before, after, data):
    text = (before + secret + after).encode("utf-8", "replace")
    at = data.draw(st.integers(0, len(text)))
    secret = secret.encode("utf-8", "replace").decode()
    masked = stream(Redactor([secret]), [text[:at], text[at:]])
    assert MASK in masked


def test_a_long_output_is_masked_quickly():
    redactor = Redactor([SECRET, "another-secret-value", "x" * 2000])
    chunk = "an ordinary line of output with x and a and p in it\n" * 400
    start = time.perf_counter()
    for _ in range(50):
        redactor.feed(chunk)
    assert time.perf_counter() - start < 5  # 1 MB
