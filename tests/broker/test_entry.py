import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker import entry as ops
from openmessaging.broker.entry import Entry, Placed, decode, encode
from openmessaging.model.batch import encode as encode_batch
from openmessaging.model.batch import encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from tests.broker.harness import code_of

SMALL = st.integers(0, 1 << 40)
SPANS = st.none() | st.lists(st.tuples(SMALL, SMALL), max_size=3)
CONFIG = st.dictionaries(st.text(max_size=5), st.integers(-5, 5) | st.text(max_size=5) | st.booleans(), max_size=3)
OPERATION = st.one_of(
    st.builds(ops.CreateQueue, st.text(max_size=9), SMALL, SMALL, SMALL, CONFIG),
    st.builds(ops.CreateGroup, SMALL, SMALL, st.text(max_size=9), CONFIG, st.lists(SMALL, max_size=3)),
    st.builds(ops.Lease, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL),
    st.builds(ops.Settle, SMALL, SPANS),
    st.builds(ops.Retry, SMALL, SPANS, SMALL, st.booleans()),
    st.builds(ops.ReleaseAll),
    st.builds(ops.Trim, SMALL, SMALL),
)


def batch(count: int):
    records = [Record(b"x")] * count
    return encode_batch(records, shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=0)


@given(SMALL, st.lists(OPERATION, max_size=5), st.lists(st.integers(1, 3), max_size=3))
def test_round_trip(now_ms, operations, counts):
    batches = [batch(count) for count in counts]
    placed = [Placed(number, number * 7, count, now_ms) for number, count in enumerate(counts)]
    parts, starts = encode(Entry(now_ms, operations, placed, batches))
    body = b"".join(parts)
    found, spans = decode(body)
    assert (found.now_ms, list(found.operations), found.placed) == (now_ms, operations, placed)
    assert [body[start : start + size] for start, size in spans] == [b.head + b.payload for b in batches]
    assert starts == [start for start, _ in spans]


BODY = b"".join(encode(Entry(5, [ops.Settle(1, [(2, 3)])], [Placed(1, 2, 2, 3)], [batch(2)]))[0])


@given(st.integers(0, len(BODY) - 1), st.integers(0, 255))
def test_mutated_bytes_never_raise_anything_else(at, value):
    body = BODY[:at] + bytes((value,)) + BODY[at + 1 :]
    try:
        decode(body)
    except OMSRuntimeException as error:
        assert error.code in (1101, 1501)


@pytest.mark.parametrize("cut", range(len(BODY)))
def test_a_cut_entry_is_damaged(cut):
    assert code_of(decode, BODY[:cut]) == 1501


def test_left_over_bytes_and_newer_formats():
    assert code_of(decode, BODY + b"x") == 1501
    assert code_of(decode, bytes((ops.FORMAT + 1,)) + BODY[1:]) == 1101
