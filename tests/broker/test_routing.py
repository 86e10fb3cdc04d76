"""Steps of routes on a real store: what goes on, what does not, and what stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker import routing
from openmessaging.model.batch import EXPIRES, encode, encode_shared, parse_header
from openmessaging.model.errors import error
from openmessaging.model.message import Message, Record
from openmessaging.model.routing import KEY, Assign, Deduplicate, Filter, Sample, Transform
from openmessaging.model.spi import OutgoingBatch, Timing
from openmessaging.routing.steps import Subject, hashed, step_of
from openmessaging.runtime.outgoing import partition_of
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.storage.log import Log
from tests.broker.routes import ORDERS, add, found, full, info, keyed, lying, message, route, texts, work
from tests.broker.stores import Client, open_client, simulated


def test_every_target_gets_every_message_as_it_was_sent(client: Client) -> None:
    placement = client.send("a", "b")
    add(client, route("r", "orders", "left", "right"))
    client.send(message("c", "k", n=1))
    work(client)
    for queue in ("left", "right"):
        assert [delivery.data for delivery in lying(client, queue)] == [
            delivery.data for delivery in lying(client, "orders")
        ]
    assert placement.base_offset == 0
    assert (info(client, "r").routed, info(client, "r").lag) == (3, 0)
    assert texts(client, "orders") == ["a", "b", "c"]


def test_latest_begins_with_what_is_sent_from_now_on(client: Client) -> None:
    client.send("old")
    add(client, route("r", "orders", "copy"), "latest")
    client.send("new")
    work(client)
    assert texts(client, "copy") == ["new"]


def test_operators_stand_in_a_row(client: Client) -> None:
    operators = (Filter("n > 1"), Assign({"m": "n * 10", KEY: "color"}), Filter("m < 50 AND header.messageKey = 'r'"))
    add(client, route("r", "orders", "out", operators=operators))
    client.send(*[message(str(n), None, n=n, color="rb"[n % 2]) for n in range(8)])
    work(client)
    assert [(record.data, record.message_key, record.properties) for record in found(client, "out")] == [
        (b"2", "r", {"n": 2, "color": "r", "m": 20}),
        (b"4", "r", {"n": 4, "color": "r", "m": 40}),
    ]
    assert (info(client, "r").routed, info(client, "r").dropped) == (2, 6)


def test_ids_and_times_stay_and_operators_know_them(client: Client, clock: SimulatedClock) -> None:
    operators = (Assign({"at": "header.bornTimestamp", "id": "header.messageId", "stored": "header.storeTimestamp"}),)
    add(client, route("r", "orders", "out", operators=operators))
    add(client, route("s", "out", "again", operators=(Assign({"where": "header.destination", "n": "header.offset"}),)))
    client.send("a", "b")
    born = clock.now_ms()
    clock.advance(5)
    work(client)
    for place, record in enumerate(found(client, "again")):
        assert record.headers is not None
        assert record.headers["messageId"] == parse_header(lying(client, "orders")[0].data).message_id(place)
        assert record.headers["bornTimestamp"] == born
        assert record.properties == {
            "at": born,
            "id": record.headers["messageId"],
            "stored": born,
            "where": full("out"),
            "n": place,
        }


def test_a_sample_is_what_its_hash_says(client: Client) -> None:
    add(client, route("r", "orders", "out", operators=(Sample(0.5),)))
    client.send(*[str(number) for number in range(100)])
    work(client)
    header = parse_header(lying(client, "orders")[0].data)
    assert texts(client, "out") == [str(place) for place in range(100) if hashed(header.message_id(place)) < 0.5]


def test_duplicates_within_the_window_are_dropped(client: Client, clock: SimulatedClock) -> None:
    add(client, route("r", "orders", "out", operators=(Deduplicate(10, "key"),)))
    for body, key, later in [
        ("a", "k", 0),
        ("b", "k", 9),
        ("c", "l", 0),
        ("d", "k", 2),
        ("e", None, 0),
        ("f", None, 0),
    ]:
        clock.advance(later)
        client.send(message(body, key))
    work(client)
    assert texts(client, "out") == ["a", "c", "d", "e", "f"]
    clock.advance(9.9)
    client.send(message("g", "k"))
    work(client)
    clock.advance(0.2)
    client.send(message("h", "k"))
    work(client)
    assert texts(client, "out")[5:] == ["h"]


def test_the_same_id_again_is_a_duplicate_however_it_comes(client: Client) -> None:
    add(client, route("r", "orders", "out", operators=(Deduplicate(10),)))
    batch = client.batch("a", "b")
    for _ in range(2):
        client.runner.send([OutgoingBatch(ORDERS, None, batch)])
        work(client)
    client.admin.begin_copy("again", ORDERS, ORDERS, [(0, 2)], keep=False)
    client.admin.advance_copy("again", 100)
    work(client)
    assert texts(client, "out") == ["a", "b"]
    assert info(client, "r").dropped == 4


def test_what_was_seen_survives_a_restart_by_the_log_and_by_a_snapshot(tmp_path, clock: SimulatedClock) -> None:
    client = open_client(tmp_path, clock=clock)
    add(client, route("r", "orders", "out", operators=(Deduplicate(10, "key"),)))
    client.send(message("a", "k"))
    work(client)
    client.store.maintenance.snapshot()
    client.send(message("b", "l"))
    work(client)
    state = client.runner.engine.snapshot()
    client.close()
    client = open_client(tmp_path, clock=clock)
    assert client.runner.engine.snapshot() == state
    client.send(message("c", "k"), message("d", "l"), message("e", "m"))
    work(client)
    assert texts(client, "out") == ["a", "b", "e"]
    client.close()


def test_seeking_a_route_routes_again_and_forgets_what_was_seen(client: Client) -> None:
    add(client, route("r", "orders", "out", operators=(Deduplicate(10, "key"),)))
    client.send(message("a", "k"), message("b", "k"))
    work(client)
    client.admin.seek_group(ORDERS, "route-r", "earliest")
    work(client)
    assert texts(client, "out") == ["a", "a"]


def test_a_partition_goes_to_the_same_number_where_there_are_as_many(client: Client) -> None:
    for queue in ("orders", "same"):
        client.admin.create_queue(full(queue), 3, {})
    client.admin.create_queue(full("fewer"), 2, {})
    add(client, route("r", "orders", "same", "fewer"))
    for number in range(3):
        client.send(f"{number}", partition=number)
    work(client)
    assert [texts(client, "same", number) for number in range(3)] == [["0"], ["1"], ["2"]]
    assert sorted(texts(client, "fewer", 0)) == ["0", "2"]
    assert texts(client, "fewer", 1) == ["1"]


def test_keys_go_where_producers_send_them_in_order(client: Client) -> None:
    client.admin.create_queue(full("orders"), 2, {})
    client.admin.create_queue(full("three"), 3, {})
    client.admin.create_queue(full("two"), 2, {})
    add(client, route("r", "orders", "three"))
    add(client, route("s", "orders", "two", operators=(Assign({KEY: "c"}),)))
    sent = [message(f"{n}", "abcdef"[n % 6], c="xyz"[n % 3]) for n in range(60)]
    keyed(client, *sent, partition=1)
    work(client)
    for queue, count, key_of in (
        ("three", 3, lambda record: record.message_key),
        ("two", 2, lambda record: record.properties["c"]),
    ):
        for number in range(count):
            here = [each for each in sent if partition_of(Message(Record(b"", key_of(each)), "q"), count) == number]
            assert texts(client, queue, number) == [each.data.decode() for each in here]


def test_priorities_stay(client: Client) -> None:
    add(client, route("r", "orders", "out"))
    add(client, route("s", "orders", "changed", operators=(Assign({"a": "1"}),)))
    keyed(client, message("low"))
    keyed(client, message("high"), priority=9)
    work(client)
    for queue in ("out", "changed"):
        made = client.admin.describe_queue(full(queue))
        assert made.lanes == [(0, 9)]
        assert texts(client, queue, 1) == ["high"]
        assert texts(client, queue, 0) == ["low"]


def test_the_condition_of_the_source_counts_for_its_routes(client: Client) -> None:
    client.admin.create_queue(ORDERS, 1, {"filter": "n > 1"})
    add(client, route("r", "orders", "out", operators=(Filter("n < 4"),)))
    client.send(*[message(str(n), n=n) for n in range(6)])
    work(client)
    assert texts(client, "out") == ["2", "3"]
    assert info(client, "r").dropped == 4


def test_what_has_expired_does_not_go_on(client: Client, clock: SimulatedClock) -> None:
    client.admin.create_queue(ORDERS, 1, {"expired_queue": "late"})
    add(client, route("r", "orders", "out"))
    born = clock.now_ms()
    records = [Record(str(n).encode(), None, None, {"expireTime": born + n * 1000} if n else None) for n in (1, 0, 9)]
    batch = encode(records, shared=encode_shared({}), born_ms=born, producer_id=1, first_sequence=0, attributes=EXPIRES)
    client.runner.send([OutgoingBatch(ORDERS, None, batch, timing=Timing(None, True))])
    clock.advance(5)
    work(client)
    assert texts(client, "out") == ["0", "9"]
    assert texts(client, "late") == ["1"]
    assert client.admin.describe_group(ORDERS, "route-r").expired == 1
    clock.advance(5)
    assert client.receive(client.join(queue=full("out"))) == ["0"]


def test_a_message_without_key_for_a_compacted_target_is_a_dead_letter(client: Client) -> None:
    client.admin.create_queue(full("table"), 1, {"compact": True})
    add(client, route("r", "orders", "table", "out"))
    client.send(message("a", "k"), message("b"), message("c", "l"))
    work(client)
    assert texts(client, "table") == texts(client, "out") == ["a", "c"]
    (letter,) = found(client, "orders.route-r.dead-letter")
    assert letter.data == b"b"
    assert letter.properties is not None
    assert letter.properties["dead-letter.reason"] == "default://table is compacted, the message has no key"
    assert (info(client, "r").routed, info(client, "r").dead) == (2, 1)
    assert info(client, "r").dead_letter_queue == "default://orders.route-r.dead-letter"


def test_a_dead_letter_is_not_remembered_as_seen(client: Client) -> None:
    client.admin.create_queue(full("table"), 1, {"compact": True})
    add(client, route("r", "orders", "table", operators=(Deduplicate(60), Assign({KEY: "k"}))))
    batch = client.batch(message("a"))
    client.runner.send([OutgoingBatch(ORDERS, None, batch)])
    client.runner.send([OutgoingBatch(ORDERS, None, batch)])
    work(client)
    assert (info(client, "r").dead, info(client, "r").dropped) == (2, 0)


def test_messages_that_are_gone_from_a_table_are_passed_over(client: Client) -> None:
    client.admin.create_queue(ORDERS, 1, {"compact": True})
    client.store.maintenance.compactor.min_dirty = 1
    for round_ in range(3):
        for n in range(4):
            keyed(client, message(f"{n}-{round_}", f"k{n}"), message(f"x{n}-{round_}", "same"))
    for _ in range(4):
        client.store.maintenance.work(full_round=True)
    add(client, route("r", "orders", "out"))
    work(client)
    group = client.join()
    assert texts(client, "out") == client.receive(group)
    assert len(texts(client, "out")) < 24


def test_the_way_is_traced(client: Client) -> None:
    add(client, route("r", "orders", "all", trace=True))
    add(client, route("s", "all", "end", trace=True))
    client.send("a", message("b", color="r"))
    work(client)
    assert [record.properties for record in found(client, "end")] == [
        {"route.hops": "r(orders/0/0) s(all/0/0)"},
        {"route.hops": "r(orders/0/1) s(all/0/1)", "color": "r"},
    ]


def test_a_step_is_bounded_in_messages_and_bytes(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "MAX_MESSAGES", 3)
    monkeypatch.setattr(routing, "MAX_ENTRY_BYTES", 2_000)
    add(client, route("r", "orders", "one", "two"))
    client.send(*[f"{number}".ljust(400) for number in range(10)])
    work(client)
    assert [text.strip() for text in texts(client, "one")] == [str(number) for number in range(10)]
    assert texts(client, "one") == texts(client, "two")
    assert max(delivery.last for delivery in lying(client, "one")) <= 3


def test_a_route_keeps_what_is_not_routed_and_its_source_keeps_all(client: Client) -> None:
    """A route is a group: nothing goes before it has read it; and it alone lets nothing go."""
    add(client, route("r", "orders", "out"))
    for _ in range(40):
        client.send(*["x" * 1_000] * 10)
    work(client)
    client.upkeep()
    assert client.admin.describe_queue(ORDERS).messages == 400
    group = client.join()
    while client.receive(group):
        pass
    client.upkeep()
    assert client.admin.describe_queue(ORDERS).messages < 400


def test_a_route_with_a_function_waits(client: Client) -> None:
    add(client, route("r", "orders", "out", operators=(Transform("f"),)))
    client.send("a")
    work(client)
    assert texts(client, "out") == []
    assert info(client, "r").lag == 1
    assert client.admin.describe_group(ORDERS, "route-r").config.order == "key"
    assert client.receive(client.join("route-r")) == ["a"]  # whoever has the function may


OPERATORS = st.lists(
    st.sampled_from(
        [
            Filter("n > 2"),
            Filter("color = 'r' OR n IS NULL"),
            Sample(0.5),
            Sample(0.7, "key"),
            Deduplicate(3.0, "key"),
            Deduplicate(100.0),
            Assign({"n": "n + 1"}),
            Assign({"color": "NULL", KEY: "color"}),
            Assign({"by": "header.messageKey"}),
        ]
    ),
    max_size=4,
)
MESSAGES = st.lists(
    st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, 1, 2, 3]), st.sampled_from("rb")),
    min_size=1,
    max_size=14,
)


@settings(max_examples=60)
@given(OPERATORS, st.lists(st.tuples(MESSAGES, st.booleans(), st.booleans()), max_size=5), st.booleans())
def test_a_route_does_what_a_loop_over_its_source_would(operators, batches, trace) -> None:
    """Against a naive twin, over batches, steps of few messages, time, and restarts from log and snapshot."""
    disk, clock = simulated(), SimulatedClock()
    client = open_client("/store", disk=disk, clock=clock)
    add(client, route("r", "orders", "out", operators=tuple(operators), trace=trace))
    steps = [step_of(operator, number) for number, operator in enumerate(operators)]
    expected: list[tuple[bytes, str | None, dict]] = []
    seen: dict[bytes, int] = {}
    number = 0
    for messages, later, restart in batches:
        clock.advance(2 if later else 0)
        sent = []
        for key, n, color in messages:
            sent.append(message(str(number), key, color=color, **({} if n is None else {"n": n})))
            number += 1
        keyed(client, *sent)
        delivery = lying(client, "orders")[-1]
        for place, record in enumerate(sent):
            facts = {"messageId": parse_header(delivery.data).message_id(place)}
            subject = Subject(record.message_key, record.properties, facts.get)
            now_ms = delivery.store_ms

            def known(digest: bytes, window: float, now_ms: int = now_ms) -> bool:
                return digest in seen and now_ms - seen[digest] < window * 1000

            if all(step(subject, known) for step in steps):
                properties = dict(subject.properties or {})
                if trace:
                    properties["route.hops"] = f"r(orders/0/{delivery.base_offset + place})"
                expected.append((record.data, subject.key, properties))
            for digest in subject.digests:
                seen[digest] = now_ms
        work(client)
        if restart:
            client.close()
            client = open_client("/store", disk=disk, clock=clock)
    work(client)
    assert [(r.data, r.message_key, r.properties or {}) for r in found(client, "out")] == expected
    made = info(client, "r")
    assert (made.routed, made.routed + made.dropped, made.lag) == (len(expected), number, 0)
    client.close()


def test_a_full_disk_stops_a_route_and_nothing_is_lost(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    add(client, route("r", "orders", "out"))
    client.send("a")
    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", full_disk(Log.append))
        work(client)
        assert "the disk is full" in (info(client, "r").trouble or "")
    client.runner.clock.advance(1)  # type: ignore[attr-defined]
    work(client)
    assert info(client, "r").trouble is None
    assert texts(client, "out") == ["a"]


def full_disk(append):
    def refuse(self, parts, *, reserved=True):
        if not reserved:
            raise error(1501, "the disk is full")
        return append(self, parts, reserved=reserved)

    return refuse
