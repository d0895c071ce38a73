from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.runner import frames


@given(
    messages=st.lists(st.tuples(st.sampled_from([frames.OUTPUT, frames.END]), st.binary(max_size=300))),
    step=st.integers(min_value=1, max_value=64),
)
def test_frames_survive_any_cutting_of_the_stream(messages: list[tuple[bytes, bytes]], step: int) -> None:
    wire = b"".join(frames.pack(kind, payload) for kind, payload in messages)
    reader = frames.FrameReader()
    read = [frame for at in range(0, len(wire), step) for frame in reader.feed(wire[at : at + step])]
    assert read == messages
