"""Quiet hours and digests on wall clocks that jump.

2026 in Berlin: 29 March 02:00 → 03:00, 25 October 03:00 → 02:00. 21 November is a Saturday.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerts.quiethours import Action, Digest, QuietHours, deliver
from alerts.states import Severity

BERLIN = "Europe/Berlin"
NIGHT = {"starts": "22:00", "ends": "07:00"}
WEEKEND = {"weekdays": [5, 6], "starts": "00:00", "ends": "00:00"}


def quiet(*spans, zone="UTC", **more):
    return QuietHours(timezone=zone, spans=spans, **more)


def digest_of(**values):
    return Digest(**values)


def utc(text):
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def until(hours, moment):
    end = hours.until(utc(moment))
    return end and f"{end:%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        (quiet(NIGHT), "11-20 21:59", None),
        (quiet(NIGHT), "11-20 22:00", "11-21 07:00"),
        (quiet(NIGHT), "11-21 06:59", "11-21 07:00"),
        (quiet(NIGHT), "11-21 07:00", None),
        (quiet({**NIGHT, "weekdays": [4]}), "11-21 03:00", "11-21 07:00"),  # Friday's night
        (quiet({**NIGHT, "weekdays": [5]}), "11-21 03:00", None),
        (quiet(WEEKEND), "11-21 12:00", "11-23 00:00"),  # Saturday and Sunday follow each other
        (quiet(WEEKEND, NIGHT), "11-20 23:00", "11-23 07:00"),
        (quiet({"starts": "12:00", "ends": "13:00"}, zone="Asia/Shanghai"), "11-20 04:30", "11-20 05:00"),
        # the night in which the clocks go forward, and that in which they go back
        (quiet(NIGHT, zone=BERLIN), "03-28 21:00", "03-29 05:00"),
        (quiet(NIGHT, zone=BERLIN), "10-24 20:00", "10-25 06:00"),
        (quiet({"starts": "02:15", "ends": "02:45"}, zone=BERLIN), "03-29 00:59", None),  # the span is skipped
        (quiet({"starts": "01:00", "ends": "02:30"}, zone=BERLIN), "03-29 00:10", "03-29 01:00"),
        (quiet({"starts": "01:00", "ends": "02:30"}, zone=BERLIN), "10-25 00:10", "10-25 00:30"),
        (quiet({"starts": "01:00", "ends": "02:30"}, zone=BERLIN), "10-25 01:10", None),  # the second 02:10
    ],
)
def test_until_when_it_is_quiet(hours, moment, expected):
    assert until(hours, moment) == expected


@pytest.mark.parametrize(
    "spans",
    [
        [{"starts": "00:00", "ends": "00:00"}],
        [NIGHT, {"starts": "07:00", "ends": "22:00"}],
        [{"starts": "08:00", "ends": "07:00"}, {"starts": "06:30", "ends": "08:30"}],
        [{**NIGHT, "weekdays": []}],
        [{**NIGHT, "weekdays": [7]}],
        [{"starts": "22:00+01:00", "ends": "07:00"}],
        [],
    ],
)
def test_spans_that_leave_no_time_or_are_none_are_refused(spans):
    with pytest.raises(ValidationError):
        QuietHours(spans=spans)


def test_one_open_minute_a_week_is_enough():
    open_minute = {"weekdays": [6], "starts": "00:01", "ends": "00:00"}
    hours = quiet({"weekdays": [0, 1, 2, 3, 4, 5], "starts": "00:00", "ends": "00:00"}, open_minute)
    assert until(hours, "11-16 12:00") == "11-22 00:00"


@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 6), min_size=1, max_size=4), st.times(), st.times()), min_size=1, max_size=3
    ),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe", "America/New_York"]),
)
def test_quiet_ends_later_and_is_over_then(spans, at, zone):
    try:
        hours = quiet(*({"weekdays": days, "starts": start, "ends": end} for days, start, end in spans), zone=zone)
    except ValidationError:
        return
    end = hours.until(at)
    assert end is None or (end > at and hours.until(end) is None)
    if end:
        assert hours.until(at + (end - at) / 2) == end


@pytest.mark.parametrize(
    ("digest", "moment", "expected"),
    [
        (digest_of(every="1h"), "11-21 09:00", "11-21 10:00"),
        (digest_of(every="15m"), "11-21 09:14:59", "11-21 09:15"),
        (digest_of(every="1d", starts="09:00"), "11-21 08:59", "11-21 09:00"),
        (digest_of(every="1d", starts="09:00"), "11-21 09:00", "11-22 09:00"),
        (digest_of(every="1d", starts="09:00", timezone=BERLIN), "10-24 08:00", "10-25 08:00"),  # 09:00 in winter again
        (digest_of(every="30m", timezone=BERLIN), "03-29 00:40", "03-29 01:00"),
        (digest_of(every="30m", timezone=BERLIN), "10-25 00:10", "10-25 00:30"),
        (digest_of(every="30m", timezone=BERLIN), "10-25 01:10", "10-25 02:00"),  # the repeated hour is one window
    ],
)
def test_when_a_window_ends(digest, moment, expected):
    assert f"{digest.window_end(utc(moment)):%m-%d %H:%M}" == expected


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe", "Antarctica/Troll"]),
    st.sampled_from(["15m", "1h", "6h", "1d"]),
    st.times(),
)
def test_a_window_ends_after_the_moment_and_is_the_same_for_all_in_it(at, zone, every, starts):
    digest = digest_of(every=every, timezone=zone, starts=starts)
    end = digest.window_end(at)
    assert at < end <= at + digest.every + timedelta(hours=3)
    assert digest.window_end(at + (end - at) / 2) == end


@pytest.mark.parametrize("every", ["7m", "1m", "2d", "0s"])
def test_windows_must_divide_a_day(every):
    with pytest.raises(ValidationError):
        digest_of(every=every)


HOLD, DROP = quiet(NIGHT), quiet(NIGHT, action="drop")


@pytest.mark.parametrize(
    ("moment", "severity", "rules", "action", "expected"),
    [
        ("11-21 12:00", Severity.WARNING, {"quiet": HOLD}, Action.SEND, "12:00"),
        ("11-21 23:00", Severity.WARNING, {"quiet": HOLD}, Action.HOLD, "07:00"),
        ("11-21 23:00", Severity.WARNING, {"quiet": DROP}, Action.DROP, "23:00"),
        ("11-21 23:00", Severity.CRITICAL, {"quiet": DROP}, Action.SEND, "23:00"),
        ("11-21 23:00", Severity.CRITICAL, {"quiet": quiet(NIGHT, lets_through=None)}, Action.HOLD, "07:00"),
        ("11-21 12:10", Severity.INFO, {"digest": digest_of(every="1h")}, Action.HOLD, "13:00"),
        ("11-21 12:10", Severity.CRITICAL, {"digest": digest_of(every="1h")}, Action.SEND, "12:10"),
        ("11-21 21:10", Severity.INFO, {"digest": digest_of(every="1h"), "quiet": HOLD}, Action.HOLD, "07:00"),
        ("11-21 21:10", Severity.INFO, {"digest": digest_of(every="1h"), "quiet": DROP}, Action.HOLD, "07:00"),
        ("11-21 21:10", Severity.INFO, {}, Action.SEND, "21:10"),
    ],
)
def test_what_becomes_of_a_message(moment, severity, rules, action, expected):
    found = deliver(utc(moment), severity, **rules)
    assert (found.action, f"{found.at:%H:%M}") == (action, expected)
