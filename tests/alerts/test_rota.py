"""Who is on call, also when the clocks change. 2026 in Berlin: 29 March 02:00 → 03:00, 25 October 03:00 → 02:00."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rota import Override, Rota

BERLIN = "Europe/Berlin"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WALL = datetime(2026, 3, 27, 9)


def utc(text):
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def daily(**more):
    return Rota(**{"members": ("ann", "bo", "cy"), "starts": WALL, "timezone": BERLIN, "shift_length": DAY, **more})


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("03-27 07:59", ""),
        ("03-27 08:00", "ann"),  # 09:00 in winter
        ("03-28 07:59", "ann"),
        ("03-28 08:00", "bo"),
        ("03-29 06:59", "bo"),
        ("03-29 07:00", "cy"),  # 09:00 in summer: this shift of bo had 23 hours
        ("03-30 07:00", "ann"),
        ("10-24 07:00", "bo"),
        ("10-25 07:59", "bo"),  # and this one 25
        ("10-25 08:00", "cy"),
    ],
)
def test_the_handover_stays_at_its_hour(moment, expected):
    assert daily().on_call(utc(moment)) == expected


@pytest.mark.parametrize(
    ("starts", "moment", "expected"),
    [
        (datetime(2026, 3, 27, 2, 30), "03-29 00:59", "bo"),  # 02:30 is skipped on the 29th:
        (datetime(2026, 3, 27, 2, 30), "03-29 01:00", "cy"),  # the handover is at 03:00, the end of the gap
        (datetime(2026, 10, 23, 2, 30), "10-25 00:29", "bo"),
        (datetime(2026, 10, 23, 2, 30), "10-25 00:30", "cy"),  # 02:30 comes twice: at its first pass
        (datetime(2026, 10, 23, 2, 30), "10-25 01:10", "cy"),  # 02:10 again does not give it back
    ],
)
def test_a_handover_in_a_skipped_or_repeated_hour(starts, moment, expected):
    assert daily(starts=starts).on_call(utc(moment)) == expected


def test_nobody_is_on_call_without_members():
    assert daily(members=()).on_call(utc("03-28 12:00")) == ""


def test_an_override_stands_in_and_the_later_one_of_two_counts():
    bo = Override(member="bo", starts_at=utc("03-27 20:00"), ends_at=utc("03-28 02:00"))
    cy = Override(member="cy", starts_at=utc("03-28 00:00"), ends_at=utc("03-28 01:00"))
    rota = daily(overrides=(bo, cy))
    shown = [
        (one.member, f"{one.starts_at:%d %H:%M}", f"{one.ends_at:%d %H:%M}", one.is_override)
        for one in rota.shifts(utc("03-27 12:00"), utc("03-28 12:00"))
    ]
    assert shown == [
        ("ann", "27 12:00", "27 20:00", False),
        ("bo", "27 20:00", "28 00:00", True),
        ("cy", "28 00:00", "28 01:00", True),
        ("bo", "28 01:00", "28 02:00", True),
        ("ann", "28 02:00", "28 08:00", False),
        ("bo", "28 08:00", "28 12:00", False),
    ]


def test_somebody_stands_in_before_the_rotation_begins():
    rota = daily(overrides=(Override(member="bo", starts_at=utc("03-01 00:00"), ends_at=utc("03-02 00:00")),))
    assert rota.on_call(utc("03-01 12:00")) == "bo"


@pytest.mark.parametrize(
    "wrong", [{"shift_length": timedelta(minutes=59)}, {"starts": datetime(2026, 1, 1, tzinfo=UTC)}]
)
def test_a_rota_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"shift|wall"):
        daily(**wrong)


MOMENTS = st.datetimes(datetime(2026, 3, 1), datetime(2026, 12, 1), timezones=st.just(UTC))
ROTAS = st.builds(
    Rota,
    members=st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]),
    starts=st.datetimes(datetime(2026, 1, 1), datetime(2026, 2, 1)),
    timezone=st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe", "America/New_York"]),
    shift_length=st.sampled_from([8 * HOUR, 12 * HOUR, DAY, 7 * DAY]),
    overrides=st.lists(
        st.builds(
            lambda at, hours: Override(member="x", starts_at=at, ends_at=at + hours * HOUR), MOMENTS, st.integers(1, 99)
        ),
        max_size=3,
    ).map(tuple),
)


@given(ROTAS, MOMENTS)
def test_a_shift_holds_its_moment_and_one_person_has_all_of_it(rota, at):
    shift = rota.shift_at(at)
    assert shift.starts_at <= at < shift.ends_at
    for moment in (shift.starts_at, shift.ends_at - timedelta(microseconds=1)):
        assert rota.on_call(moment) == shift.member


@given(ROTAS, MOMENTS)
def test_shifts_follow_each_other_without_a_gap_and_agree_with_who_is_on_call(rota, since):
    until = since + 9 * DAY
    shifts = list(rota.shifts(since, until))
    edges = [since, *(one.ends_at for one in shifts)]
    assert edges[-1] == until
    assert [one.starts_at for one in shifts] == edges[:-1]
    assert all(rota.on_call(one.starts_at + (one.ends_at - one.starts_at) / 2) == one.member for one in shifts)
