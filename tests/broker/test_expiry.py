from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker import expiry
from openmessaging.model.batch import EXPIRES, KEYED, encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch, Timing
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.harness import Broker, offsets
from tests.broker.stores import QUEUE, Client, code_of, open_client, records

SHARED = encode_shared({"bornHost": "here"})


def send(client: Client, *messages: tuple[str, float | None], key: str | None = None, queue: str = QUEUE) -> None:
    """Bodies, each with the seconds until it expires."""
    now = client.runner.clock.now_ms()
    made = [
        Record(body.encode(), key, None, None if ttl is None else {"expireTime": now + round(ttl * 1000)})
        for body, ttl in messages
    ]
    first, client.sequence = client.sequence, client.sequence + len(made)
    batch = encode(made, shared=SHARED, born_ms=now, producer_id=7, first_sequence=first, attributes=EXPIRES | KEYED)
    client.runner.send([OutgoingBatch(queue, None, batch, timing=Timing(None, True))])


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def client(tmp_path: Path, clock: SimulatedClock) -> Client:
    return open_client(tmp_path, clock=clock)


def expired(client: Client, group: str = "g") -> tuple[int, int, int]:
    info = client.admin.describe_group(QUEUE, group)
    return info.expired, client.admin.describe_queue(QUEUE).expired, info.lag


def test_what_expired_is_never_handed_out_and_counted(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    send(client, ("a", 1), ("b", None), ("c", 1), ("d", 5))
    client.send("plain")
    clock.advance(1)
    assert client.receive(group) == ["b", "d", "plain"]
    assert expired(client) == (2, 2, 0)


@pytest.mark.parametrize("order", ["none", "key"])
def test_a_condition_lets_pass_what_matches_and_has_not_expired(
    client: Client, clock: SimulatedClock, order: str
) -> None:
    group = client.join(order=order, filter="header.messageKey = 'k'")
    send(client, ("a", 1), ("b", None), ("c", 1), ("d", 5), key="k")
    send(client, ("e", None), ("f", 1), key="other")
    send(client, ("g", None), ("h", 1), key="k")
    clock.advance(1)
    got = [body for _ in range(5) for body in client.receive(group)]
    assert got == ["b", "d", "g"]
    assert expired(client)[2] == 0


def test_before_its_time_it_is_handed_out(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    send(client, ("a", 1))
    clock.advance(0.5)
    assert client.receive(group) == ["a"]
    assert expired(client) == (0, 0, 0)


def test_a_retry_expires_too(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    send(client, ("a", 2))
    (delivery,) = client.fetch(group)
    client.nack(group, delivery, delay=3)
    clock.advance(3)
    assert client.receive(group) == []
    assert expired(client) == (1, 1, 0)


def test_the_next_of_a_key_comes_when_the_first_expired(client: Client, clock: SimulatedClock) -> None:
    group = client.join(order="key")
    send(client, ("a", 1), ("b", 1), ("c", None), key="k")
    clock.advance(2)
    assert client.receive(group) == ["c"]
    assert expired(client) == (2, 2, 0)


def test_many_that_expired_are_passed_in_one_receive(
    client: Client, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", 10)
    group = client.join()
    for _ in range(5):
        send(client, *[("x", 1)] * 9, ("y", None))
    clock.advance(2)
    assert client.receive(group, 5) + client.receive(group, 5) == ["y"] * 5
    assert expired(client) == (45, 45, 0)


def test_each_group_passes_them_for_itself_and_the_counts_survive(tmp_path: Path, clock: SimulatedClock) -> None:
    client = open_client(tmp_path, clock=clock)
    client.join("g")
    group = client.join("h")
    send(client, ("a", 1), ("b", 9))
    clock.advance(1)
    assert client.receive(group) == ["b"]
    client.close()
    client = open_client(tmp_path, clock=clock)
    assert (expired(client, "g"), expired(client, "h")) == ((0, 1, 2), (1, 1, 0))
    clock.advance(9)
    assert client.receive(client.join("g")) == []
    assert expired(client, "g") == (2, 3, 0)


def test_copies_go_to_the_queue_of_the_expired(client: Client, clock: SimulatedClock) -> None:
    client.admin.create_queue(QUEUE, 1, {"expired_queue": "late"})
    group = client.join()
    send(client, ("a", 1), ("b", None), key="k")
    clock.advance(1)
    assert client.receive(group) == ["b"]
    client.runner.flush()
    (record,) = records(client.admin.browse("default://late", 0, 0, 10, None))
    assert (record.data, record.message_key) == (b"a", "k")
    assert record.properties == {"expired.queue": QUEUE, "expired.group": "g", "expired.time": clock.now_ms()}
    assert record.headers is not None
    assert "expireTime" not in record.headers
    send(client, ("c", 1))
    clock.advance(1)
    assert client.receive(group) == []
    client.runner.flush()
    assert client.browse("default://late") == ["a", "c"]


def test_a_queue_of_the_expired_that_cannot_be(client: Client, clock: SimulatedClock) -> None:
    assert code_of(client.admin.create_queue, QUEUE, 1, {"expired_queue": "a b/c"}) == 1418
    client.admin.create_queue(QUEUE, 1, {"expired_queue": "nowhere://late"})
    group = client.join()
    send(client, ("a", 1))
    clock.advance(1)
    assert client.receive(group) == []
    assert expired(client) == (1, 1, 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.sampled_from((None, 3, 10, 40)), min_size=1, max_size=5)),
        st.tuples(st.just("wait"), st.integers(1, 20)),
        st.tuples(st.just("receive"), st.integers(1, 6)),
        st.tuples(st.just("nack"), st.integers(0, 9)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=80)
@given(steps, st.booleans())
def test_nothing_expired_is_handed_out_and_nothing_else_is_lost(todo: list[tuple[str, Any]], keyed: bool) -> None:
    broker = Broker()
    group = broker.join(order="key" if keyed else "none", max_delivery=1000)
    expires: list[int | None] = []
    settled: set[int] = set()
    gone = 0
    for step, value in [*todo, ("wait", 1000), ("receive", 1000)]:
        if step == "send":
            made = [
                Record(b"", "ab"[at % 2], None, None if ttl is None else {"expireTime": broker.now + ttl})
                for at, ttl in enumerate(value)
            ]
            expires += [None if ttl is None else broker.now + ttl for ttl in value]
            broker.sequence += len(made)
            batch = encode(made, shared=SHARED, born_ms=broker.now, producer_id=9,
                           first_sequence=broker.sequence, attributes=EXPIRES)  # fmt: skip
            broker.do(
                broker.engine.decide_send(
                    broker.now, [OutgoingBatch("default://orders", None, batch, timing=Timing(None, True))]
                )
            )
        elif step == "wait":
            broker.now += value
        elif step == "restart":
            broker.restart()
            group = broker.engine.groups[group.id]
        else:
            entry = broker.engine.decide_receive(
                broker.now, group, 1000 if step == "nack" else value, lambda _, __, end: end
            )
            if entry.operations:
                broker.do(entry)
            for lease in list(broker.engine.leases.values()):
                held = offsets([lease_operation(lease)])
                assert all(expires[at] is None or expires[at] > broker.now for at in held)  # type: ignore[operator]
                if step == "nack":
                    broker.nack(group, lease.id, delay=value)
                else:
                    broker.ack(group, lease.id)
                    settled.update(held)
            assert group.expired >= gone
            gone = group.expired
    for _ in range(100):
        broker.now += 10_000  # retries are due, too
        entry = broker.engine.decide_receive(broker.now, group, 1000, lambda _, __, end: end)
        if not entry.operations:
            break
        broker.do(entry)
        for lease in list(broker.engine.leases.values()):
            settled.update(offsets([lease_operation(lease)]))
            broker.ack(group, lease.id)
    assert len(settled) + group.expired == len(expires)
    assert all(at in settled for at, each in enumerate(expires) if each is None)
    assert group.lag() == 0
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def lease_operation(lease: Any) -> Any:
    class Range:
        start, end = lease.left[0], lease.left[-1]

    return Range
