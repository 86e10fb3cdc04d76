"""Frames: whatever the pieces in which bytes arrive, and whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.wire import Frame, FrameReader, ProtocolError, encode_frame
from openmessaging.wire.frames import HEAD

FRAMES = st.lists(st.builds(Frame, st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=6)


def fields(frames: list[Frame]) -> list[tuple[int, int, bytes]]:
    return [(frame.kind, frame.request, frame.body) for frame in frames]


@given(FRAMES, st.lists(st.integers(1, 400), min_size=1, max_size=10))
def test_any_pieces_give_the_frames_back(frames: list[Frame], sizes: list[int]) -> None:
    data = b"".join(encode_frame(frame.kind, frame.request, frame.body) for frame in frames)
    reader = FrameReader(1000)
    found: list[Frame] = []
    at, turn = 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found += reader.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert fields(found) == fields(frames)


def test_a_frame_of_the_largest_size_passes_and_one_byte_more_does_not() -> None:
    body = bytes(1000 - 8)
    assert fields(FrameReader(1000).feed(encode_frame(3, 1, body))) == [(3, 1, body)]
    with pytest.raises(ProtocolError, match="1,001 bytes"):
        FrameReader(1000).feed(encode_frame(3, 1, body + b"x")[:4])


@pytest.mark.parametrize("length", [0, 7, 2**31, 2**32 - 1])
def test_a_length_that_cannot_be_is_refused_before_anything_is_kept(length: int) -> None:
    with pytest.raises(ProtocolError, match=f"{length:,} bytes"):
        FrameReader(1 << 20).feed(length.to_bytes(4, "big"))


@given(st.binary(max_size=200))
def test_garbage_gives_frames_or_an_error(data: bytes) -> None:
    try:
        frames = FrameReader(1 << 16).feed(data)
    except ProtocolError:
        return
    assert sum(HEAD.size + len(frame.body) for frame in frames) <= len(data)
