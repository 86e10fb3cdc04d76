"""The conversation of spec/vectors/protocol.json, byte for byte, and the table of the specification."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openmessaging.model.batch import decode
from openmessaging.wire import FrameReader, Kind, Send, encode_frame
from openmessaging.wire.bodies import BODIES, decode_body

SPEC = Path(__file__).parents[2] / "spec"
FRAMES: list[dict[str, Any]] = json.loads((SPEC / "vectors" / "protocol.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: f"{vector['from']}-{Kind(vector['kind']).name}")
def test_each_frame_is_read_and_written_the_same(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    (frame,) = FrameReader(1 << 20).feed(data)
    assert (frame.kind, frame.request) == (vector["kind"], vector["request"])
    if frame.kind in BODIES:
        body = decode_body(frame.kind, frame.body)
        assert plain(body.encoded()) == plain(frame.body), "but for fields at the end"
    else:
        assert encode_frame(frame.kind, frame.request) == data


def plain(body: bytes) -> list[Any]:
    """The values of a body, without unset ones at its end."""
    values: list[Any] = msgspec.msgpack.decode(body)
    while values and values[-1] in (None, "", 0):
        values.pop()
    return values


def test_the_batch_of_the_conversation_is_one() -> None:
    sent = next(vector for vector in FRAMES if vector["kind"] == Kind.SEND)
    body: Send = decode_body(Kind.SEND, FrameReader(1 << 20).feed(bytes.fromhex(sent["bytes"]))[0].body)
    assert decode(body.items[0].batch)[2][0].data == b"hello"


def test_the_table_of_the_specification_has_every_kind_and_field() -> None:
    text = (SPEC / "protocol.md").read_text(encoding="utf-8")
    rows = {
        int(number): (name, body)
        for number, name, body in re.findall(r"^\| (\d+) \| (\w+) \| \w+ \| ?(.*?) ?\| ", text, re.M)
    }
    assert {number: name for number, (name, _) in rows.items()} == {kind.value: kind.name for kind in Kind}
    for kind, body in BODIES.items():
        count = len(re.sub(r"\{.*?\}|\[.*?\]+", "", rows[kind][1]).split(","))
        assert count == len(body.__struct_fields__), Kind(kind).name
