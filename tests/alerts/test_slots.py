"""Who gets how many messages: no channel holds up another."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.slots import BAG_SIZE, MOST_BAGS, MOST_THREADS, MOST_TROUBLED, ChannelState, share

IDLE = {"quick": 0, "troubled": 0, "all": 0}


def test_each_channel_gets_a_bag_before_any_gets_a_second():
    assert [channel for channel, _size in share([ChannelState(id=1), ChannelState(id=2)], busy=IDLE)] == [1, 2, 1, 2]


def test_at_most_two_bags_of_a_channel_are_under_way():
    assert share([ChannelState(id=1, bags=2)], busy=IDLE | {"quick": 2, "all": 2}) == []


def test_a_channel_with_a_bag_waits_for_those_that_have_none():
    states = [ChannelState(id=number, bags=1) for number in range(8)] + [ChannelState(id=99)]
    given_out = share(states, busy={"quick": 8, "troubled": 0, "all": 8})
    assert given_out[0] == (99, BAG_SIZE)


def test_the_channel_that_was_served_longest_ago_comes_first():
    states = [ChannelState(id=1, served=5), ChannelState(id=2, served=3), ChannelState(id=3)]
    assert [channel for channel, _size in share(states, busy=IDLE)] == [3, 2, 1, 3, 2, 1]


@pytest.mark.parametrize("count", [11, 40])
@pytest.mark.parametrize("is_failing", [False, True])
def test_channels_with_endless_queues_get_the_same(count, is_failing):
    """Bags take one to three rounds."""
    luck = Random(count)
    open_bags: list[list[int]] = []  # [channel, rounds left]
    served: dict[int, int] = {}
    got: Counter[int] = Counter()
    for _round in range(200):
        open_bags = [[channel, left - 1] for channel, left in open_bags if left > 1]
        bags = Counter(channel for channel, _left in open_bags)
        states = [
            ChannelState(id=number, bags=bags[number], is_failing=is_failing, served=served.get(number, 0))
            for number in range(count)
        ]
        kind = "troubled" if is_failing else "quick"
        for channel, _size in share(states, busy=IDLE | {kind: len(open_bags), "all": len(open_bags)}):
            open_bags.append([channel, luck.randint(1, 3)])
            served[channel] = sum(got.values()) + 1
            got[channel] += 1
    mean = sum(got.values()) / count
    assert all(mean / 2 <= got[number] <= mean * 2 for number in range(count)), got


def test_a_limit_counts_a_bag_under_way_once():
    """What is in it is among the tries of the minute already."""
    assert share([ChannelState(id=1, bags=1, left=4)], busy=IDLE | {"quick": 1, "all": 1}) == [(1, 4)]


def test_a_failing_channel_gets_one_message():
    assert share([ChannelState(id=1, is_failing=True)], busy=IDLE) == [(1, 1)]


def test_a_channel_with_a_slow_send_gets_no_second_one():
    assert share([ChannelState(id=1, bags=1, slow=1)], busy=IDLE | {"troubled": 1, "all": 1}) == []


def test_a_channel_that_failed_a_moment_ago_gets_none():
    assert share([ChannelState(id=1, is_failing=True, is_paused=True)], busy=IDLE) == []


def test_a_limited_service_gets_no_more_than_it_takes():
    assert sum(size for _channel, size in share([ChannelState(id=1, left=13)], busy=IDLE)) == 13
    assert share([ChannelState(id=1, left=0)], busy=IDLE) == []


def test_channels_in_trouble_leave_room_for_those_that_work():
    states = [ChannelState(id=number, is_failing=True) for number in range(50)] + [ChannelState(id=99)]
    given_out = share(states, busy=IDLE)
    assert len([channel for channel, _size in given_out if channel < 50]) == MOST_TROUBLED
    assert (99, BAG_SIZE) in given_out


def test_many_slow_ones_do_not_take_the_room_of_the_quick():
    states = [ChannelState(id=number, bags=1, slow=1) for number in range(20)] + [ChannelState(id=99)]
    assert [channel for channel, _ in share(states, busy={"quick": 0, "troubled": 20, "all": 20})] == [99, 99]


@given(
    st.lists(
        st.builds(
            ChannelState,
            id=st.integers(0, 99),
            bags=st.integers(0, 3),
            slow=st.integers(0, 1),
            is_failing=st.booleans(),
            left=st.none() | st.integers(-3, 40),
        ),
        unique_by=lambda state: state.id,
        max_size=40,
    ),
    st.integers(0, 60),
)
def test_the_limits_hold_whatever_there_is_to_do(states, threads):
    found = share(states, busy={"quick": 0, "troubled": 0, "all": threads})
    assert len(found) <= max(MOST_THREADS - threads, 0)
    by_id = {state.id: state for state in states}
    assert sum(not by_id[channel].is_troubled for channel, _size in found) <= MOST_BAGS
    for state in states:
        sizes = [size for channel, size in found if channel == state.id]
        assert state.bags + len(sizes) <= max(2, state.bags)
        assert state.left is None or sum(sizes) <= max(state.left, 0)
