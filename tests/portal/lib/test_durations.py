from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.lib.durations import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1h30m", timedelta(minutes=90)),
        ("1H 30M", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(days=7)),
        ("1w2d3h4m5s", timedelta(days=9, hours=3, minutes=4, seconds=5)),
        (" 0s ", timedelta(0)),
    ],
)
def test_duration_is_read(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "15", "m", "1.5h", "-5m", "30m1h", "1h1h", "5 minutes", "1y", "٣m", "9999999999w"]
)
def test_text_that_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(DurationError) as refusal:
        parse_duration(text)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=7), "1w"),
        (timedelta(days=8), "8d"),
        (timedelta(days=1, seconds=1), "1d1s"),
        (timedelta(seconds=1.9), "1s"),
        (timedelta(minutes=-5), "-5m"),
    ],
)
def test_duration_is_written_short(duration, text):
    assert format_duration(duration) == text


@given(st.integers(0, 10**9))
def test_what_is_written_is_read_back(seconds):
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration
