"""How many messages a process may take of which channel, so that no channel holds up another. PURE.

Threads that wait for a slow channel are many and cheap, but not without end: a channel in trouble gets one, all such
channels together a part of them, and one that works never finds all taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

BAGS_OF_A_CHANNEL = 2
BAG_SIZE = 10
SLOW_SECONDS = 5.0  # a send that takes longer makes its channel a slow one, until it ends
MOST_BAGS = 16
MOST_TROUBLED = 6
MOST_THREADS = 48  # with the slow ones


@dataclass(frozen=True, kw_only=True)
class ChannelState:
    """Of one channel in this process: bags under way, those of them that are slow, and what the ledger knows.

    `left` is how many messages the service takes in this minute; None: any number. `served` grows with each bag that
    this process hands out and says which was the channel's last one; 0: none yet.
    """

    id: int
    bags: int = 0
    slow: int = 0
    is_failing: bool = False
    is_paused: bool = False  # it failed a moment ago
    left: int | None = None
    served: int = 0

    @property
    def is_troubled(self) -> bool:
        return self.is_failing or self.slow > 0


def share(channels: Collection[ChannelState], *, busy: Mapping[str, int]) -> list[tuple[int, int]]:
    """[(channel, how many messages)]: the bags to fill now. `busy` counts bags: "quick", "troubled", "all".

    A first bag for every channel before a second one for any, and those first that have waited longest for theirs: a
    channel that always has messages gets no more than the others that do.
    """
    quick, troubled, threads = busy.get("quick", 0), busy.get("troubled", 0), busy.get("all", 0)
    bags: list[tuple[int, int]] = []
    waiting = sorted(channels, key=lambda channel: channel.served)
    for turn in range(BAGS_OF_A_CHANNEL):
        for channel in waiting:
            size = _size(channel, turn)
            if size <= 0 or threads >= MOST_THREADS:
                continue
            if channel.is_troubled:
                if troubled >= MOST_TROUBLED:
                    continue
                troubled += 1
            elif quick >= MOST_BAGS:
                continue
            else:
                quick += 1
            threads += 1
            bags.append((channel.id, size))
    return bags


def _size(channel: ChannelState, turn: int) -> int:
    """Of the bag it may get in this turn; 0: none. One message at a time where the last one failed.

    Its n-th bag is for the n-th turn, wherever the ones before are: else one with a bag under way gets its second in
    the first turn, before others have any.
    """
    if channel.is_paused or (channel.left is not None and channel.left <= 0):
        return 0
    most = 1 if channel.is_troubled else BAGS_OF_A_CHANNEL
    if channel.bags > turn or turn >= most:
        return 0
    size = 1 if channel.is_troubled else BAG_SIZE
    if channel.left is None:
        return size
    taken = (turn - channel.bags) * size
    return max(0, min(size, channel.left - taken))
