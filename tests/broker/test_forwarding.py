"""Batches of targets: the same bytes where that can be, else slices or messages with headers of their own; in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker.forwarding import MIN_RUN, Member, is_run, pieces
from openmessaging.model.batch import COMPRESSION_MASK, OWN_IDS, encode, encode_shared, parse_header
from openmessaging.model.message import Record
from openmessaging.model.routing import Filter
from openmessaging.model.spi import OutgoingBatch
from openmessaging.routing.steps import Subject
from openmessaging.runtime.positions import messages_of
from tests.broker.routes import ORDERS, add, full, keyed, lying, message, route, texts, work
from tests.broker.stores import Client, open_client, simulated


class Batches:
    """`Contents` of one partition whose batches have so many messages each; a zero is a gap of one."""

    def __init__(self, counts: list[int]) -> None:
        self.batches: list[tuple[int, bytes]] = []
        at = 0
        for count in counts:
            if count:
                records = [Record(str(at + place).encode()) for place in range(count)]
                batch = encode(records, shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=at)
                self.batches.append((at, batch.head + batch.payload))
            at += count or 1
        self.end = at
        self.reads = 0

    def raw(self, _: int, offset: int) -> tuple[int, bytes]:
        self.reads += 1
        return next(each for each in self.batches if offset < each[0] + parse_header(each[1]).count)


class Partition:
    id = 1


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.lists(st.integers(0, 50), max_size=8))
def test_pieces_hold_what_was_asked_for_and_each_batch_is_read_once(counts, bounds) -> None:
    contents = Batches([*counts, 1])
    ordered = sorted({min(bound, contents.end) for bound in bounds})
    ranges = list(zip(ordered[::2], ordered[1::2], strict=False))
    found = list(pieces(contents, Partition(), ranges))  # type: ignore[arg-type]
    there = {base + place for base, data in contents.batches for place in range(parse_header(data).count)}
    offsets = [piece.base + place for piece in found for first, last in piece.spans for place in range(first, last)]
    assert offsets == sorted(offset for start, end in ranges for offset in range(start, end) if offset in there)
    assert contents.reads <= len(contents.batches) + sum(1 for piece in found if not piece.spans)
    assert all(one[1] < other[0] for piece in found for one, other in zip(piece.spans, piece.spans[1:], strict=False))


def members(*positions: int, changed: bool = False) -> list[Member]:
    subject = Subject(None, None, {}.get)
    subject.changed = changed
    return [Member(position, Record(b""), subject) for position in positions]


def test_neighbours_that_are_enough_become_a_batch_like_theirs() -> None:
    header = parse_header(Batches([20]).batches[0][1])
    assert is_run(members(*range(3, 3 + MIN_RUN)), header)
    assert not is_run(members(*range(MIN_RUN - 1)), header)
    assert not is_run(members(*range(MIN_RUN), MIN_RUN + 1), header)
    assert not is_run(members(*range(MIN_RUN), changed=True), header)
    small = parse_header(Batches([2]).batches[0][1])
    assert is_run(members(0, 1), small)
    assert not is_run(members(1), small)


def test_a_slice_keeps_ids_times_and_compression(client: Client) -> None:
    add(client, route("r", "orders", "out", operators=(Filter("n > 2"),)))
    records = [message(str(n) * 50, n=n) for n in range(20)]
    compressed = encode(
        records, shared=encode_shared({"bornHost": "here"}), born_ms=5, producer_id=6, first_sequence=7, attributes=1
    )
    client.runner.send([OutgoingBatch(ORDERS, None, compressed)])
    work(client)
    (delivery,) = lying(client, "out")
    header = parse_header(delivery.data)
    assert (header.count, header.first_sequence, header.born_ms, header.producer_id) == (17, 10, 5, 6)
    assert header.attributes & COMPRESSION_MASK == 1
    source = messages_of(lying(client, "orders"))[3:]
    assert [each.message_id for each in messages_of([delivery])] == [each.message_id for each in source]


def test_what_is_scattered_carries_its_own_ids(client: Client) -> None:
    add(client, route("r", "orders", "out", operators=(Filter("n IN (1, 3, 5)"),)))
    client.send(*[message(str(n), n=n) for n in range(6)])
    work(client)
    (delivery,) = lying(client, "out")
    assert parse_header(delivery.data).attributes & OWN_IDS
    assert [(each.data, each.message_id, each.header.born_host) for each in messages_of([delivery])] == [
        (each.data, each.message_id, "here") for each in messages_of(lying(client, "orders")) if each.data in b"135"
    ]


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=12), max_size=6),
    st.integers(1, 3),
)
def test_slices_and_scattered_messages_stay_in_order(batches, partitions) -> None:
    client = open_client("/store", disk=simulated())
    client.admin.create_queue(full("out"), partitions, {})
    add(client, route("r", "orders", "out", operators=(Filter("good"),)))
    sent = []
    for batch in batches:
        records = [message(str(len(sent) + at), key, good=good) for at, (key, good) in enumerate(batch)]
        keyed(client, *records)
        sent += records
    work(client)
    found = {key: [] for key in "abc"}
    for number in range(partitions):
        for each in messages_of(lying(client, "out", number)):
            found[each.message_key].append(each.data)
    for key in "abc":
        wanted = [each.data for each in sent if each.message_key == key and each.properties["good"]]
        assert found[key] == wanted
    assert sum(len(texts(client, "out", number)) for number in range(partitions)) == sum(map(len, found.values()))
    client.close()
