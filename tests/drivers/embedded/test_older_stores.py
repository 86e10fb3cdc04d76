"""Stores that older versions wrote are opened as they are: all is read, handed out, acknowledged, and stays so.

`tests/data/stores/README.md` says how each was made; `expected.json` in it, what it holds.
"""

from __future__ import annotations

import json
import tarfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import openmessaging.blocking as oms
from openmessaging import Backoff, TransactionCheck
from openmessaging.broker.restoring import after_index, digest_of
from openmessaging.broker.store import StoreOptions, open_store
from openmessaging.drivers.embedded import driver
from openmessaging.storage.backup import write_backup
from openmessaging.storage.inspect import verify
from openmessaging.storage.restore import restore_backup
from openmessaging.system import SystemDisk
from openmessaging.system.clock import SystemClock

STORES = sorted((Path(__file__).parents[2] / "data" / "stores").glob("*.tar.xz"))
CLOSED = Backoff(initial=0.0, maximum=0.0, max_delivery=100)


class Later(SystemClock):
    """The machine's clock, set to just after a store was written."""

    def __init__(self, written_ms: int) -> None:
        self.ahead_ms = written_ms + 1_000 - SystemClock().now_ms()

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


class Expected(msgspec.Struct):
    written_ms: int
    features: list[str]
    queues: dict[str, list[tuple[str | None, str]]]
    groups: dict[str, list[str]]
    redelivered: dict[str, list[str]]


class Old:
    """A copy of an older store."""

    def __init__(self, archive: Path, directory: Path) -> None:
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
        self.path = directory / "store"
        self.expected = msgspec.convert(json.loads((directory / "expected.json").read_text()), Expected)

    def needs(self, feature: str) -> None:
        if feature not in self.expected.features:
            pytest.skip(f"written before there were {feature}")

    @contextmanager
    def open(self) -> Iterator[Any]:
        options = StoreOptions(segment_bytes=65536)
        store = open_store(str(self.path), options, clock=Later(self.expected.written_ms))
        name = uuid.uuid4().hex
        lent = driver.lend(f"memory:{name}", store, options)
        try:
            with oms.connect(f"oms:memory:{name}") as access_point:
                yield access_point
        finally:
            lent.close()


@pytest.fixture(params=STORES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    return Old(request.param, tmp_path)


def bodies(messages: Any) -> list[str]:
    return [message.data.decode() for message in messages]


def drained(access_point: Any, queue: str, group: str, ack: bool = True, **settings: Any) -> list[Any]:
    """All that a group is handed out, acknowledged."""
    found = []
    with access_point.create_pull_consumer(queue, group=group, **settings) as consumer:
        while messages := consumer.batch_receive(timeout=0.1):
            found += messages
            for message in messages:
                message.ack()
        consumer.flush()
    return found


def test_there_are_stores_of_every_age() -> None:
    assert len(STORES) >= 6


def test_nothing_in_it_is_damaged(old: Old) -> None:
    assert verify(str(old.path)).whole


def test_every_queue_and_every_message_is_there(old: Old) -> None:
    with old.open() as access_point:
        manager = access_point.resource_manager()
        for queue, wanted in old.expected.queues.items():
            found = [(message.message_key, message.data.decode()) for message in manager.browse(queue)]
            if queue == "table":
                assert len(found) < 8  # of 13: a pass took most
                found = list(dict(found).items())
            assert Counter(found) == Counter(wanted), queue
        (rich,) = [message for message in manager.browse("plain", key="k") if message.data == b"rich"]
        assert dict(rich.properties) == {
            "text": "é", "flag": True, "small": -5, "large": 1 << 60, "float": 0.5, "bytes": b"\x00\xff",
        }  # fmt: skip
        assert (rich.extension_header.correlation_id, rich.extension_header.trace_id) == ("c-1", "t-1")
        assert rich.header.born_host.startswith("fixture:")
        names = manager.list_queues()
        assert "default://gone" not in names
        assert manager.list_queues("other") == {"other://elsewhere"}


def test_every_group_gets_what_it_has_not_settled_and_that_stays_so(old: Old) -> None:
    with old.open() as access_point:
        for name, wanted in old.expected.groups.items():
            queue, group = name.split(" ")
            order = "key" if group == "ordered" else "none"
            found = drained(access_point, queue, group, order=order, backoff=CLOSED)
            assert Counter(bodies(found)) == Counter(wanted), name
            again = [message.data.decode() for message in found if message.extension_header.delivery_count > 1]
            assert sorted(again) == old.expected.redelivered.get(name, []), name
            if order == "key":
                for key in "abc":
                    assert (mine := [body for body in bodies(found) if body[0] == key]) == sorted(mine)
    with old.open() as access_point:
        for name in old.expected.groups:
            queue, group = name.split(" ")
            assert drained(access_point, queue, group, order="key" if group == "ordered" else "none") == [], name
        info = access_point.resource_manager().describe_group("work", "crew")
        assert (info.lag, info.retrying, info.config.backoff.max_delivery) == (1, 1, 2)  # due in half a year


def test_it_takes_new_messages_and_dead_letters_go_back(old: Old) -> None:
    with old.open() as access_point, access_point.create_producer() as producer:
        manager = access_point.resource_manager()
        results = [producer.send(producer.create_message("work", b"new %d" % number)) for number in range(2)]
        assert [result.offset for result in results] == [20, 21]
        assert manager.redrive("work", "crew", where="\"dead-letter.reason\" = 'second'").redriven == 2
        found = bodies(drained(access_point, "work", "crew"))
        assert {"new 0", "new 1", "job 8", "job 9"} <= set(found)
        manager.seek_group("moved", "seeker", "earliest")
        assert bodies(drained(access_point, "moved", "seeker")) == ["0", "1", "2", "3", "4"]
    assert verify(str(old.path)).whole


def test_prepared_messages_are_decided(old: Old) -> None:
    old.needs("prepared")
    asked = []

    def check(message: Any, context: Any) -> None:
        asked.append(message.data)
        context.commit()

    with old.open() as access_point:
        (doubt,) = access_point.get_driver().list_transactions()
        assert doubt.producer == "fixture"
        access_point.get_driver().end_transaction(doubt.transaction_id, True)
        with access_point.create_producer(
            producer_id="fixture",
            transaction_state_check_listener=check,
            transaction_check=TransactionCheck(first=0.0, interval=0.01),
        ) as producer:
            producer.prepare(producer.create_message("prepared", b"new"))
            assert sorted(bodies(drained(access_point, "prepared", "reader"))) == ["committed", "new", "open"]
        assert asked == [b"new"]


def test_what_was_stored_once_is_not_stored_again(old: Old) -> None:
    old.needs("once")
    with old.open() as access_point, access_point.create_producer(name="loader") as producer:
        assert producer.last_sequence("once") == 2
        results = [
            producer.send_once(producer.create_message("once", b"line"), sequence=number) for number in (0, 2, 3)
        ]
        results.append(producer.send_once(producer.create_message("once", b"key"), key="order-1"))
        assert [result.duplicate for result in results] == [True, True, False, True]


def test_delays_go_on(old: Old) -> None:
    old.needs("delays")
    with old.open() as access_point, access_point.create_producer() as producer:
        manager = access_point.resource_manager()
        (far,) = manager.list_delayed("later")
        assert manager.describe_queue("later").delayed == 1
        assert producer.reschedule("later", far.message_id, deliver_at=old.expected.written_ms / 1000)
        assert sorted(bodies(drained(access_point, "later", "reader"))) == ["far", "now", "soon"]


def test_a_table_is_read(old: Old) -> None:
    old.needs("table")
    with old.open() as access_point:
        found = {message.message_key: message.data.decode() for message in access_point.table("table")}
        assert found == {"w": "w0", "x": "x3", "y": "y3", "z": "z3"}


def test_a_copy_that_was_made_is_not_made_again(old: Old) -> None:
    old.needs("copies")
    with old.open() as access_point:
        manager = access_point.resource_manager()
        before = manager.describe_queue("copied").messages
        manager.copy_queue("plain", "copied", name="remembered")
        assert manager.describe_queue("copied").messages == before


def test_schedules_go_on(old: Old) -> None:
    old.needs("schedules")
    with old.open() as access_point:
        manager = access_point.resource_manager()
        (info,) = manager.list_schedules()
        assert (info.name, info.queue, info.every) == ("millennial", "default://chimes", 365 * 86_400.0)
        manager.delete_schedule("millennial")


def test_routes_go_on_and_remember_what_they_saw(old: Old) -> None:
    old.needs("routes")
    with old.open() as access_point, access_point.create_producer() as producer:
        for key, body in (("b", b"again"), ("c", b"third")):
            producer.send(producer.create_message("mirrored", body, message_key=key))
        found = bodies(drained(access_point, "mirror", "reader"))
        while len(found) < 3:
            found += bodies(drained(access_point, "mirror", "reader"))
        assert found == ["first", "second", "third"]
        info = access_point.resource_manager().describe_routing("looking-glass")
        assert (info.routed, info.dropped) == (3, 2)


def test_it_is_backed_up_and_restored_as_it_is(old: Old, tmp_path: Path) -> None:
    disk = SystemDisk()
    before = digest_of(disk, str(old.path))
    with old.open() as access_point:
        served = access_point.get_driver()
        plan = served.begin_backup()
        assert plan.segments[0].base_index == 0, "so that every moment is in it"
        write_backup(
            disk, str(tmp_path / "backup"), plan, lambda *place: served.read_backup(plan.id, *place), lambda *_: None
        )
    for point, wanted in ((plan.index, plan.digest), (0, None)):
        where = str(tmp_path / f"restored{point}")
        restored = restore_backup(disk, str(tmp_path / "backup"), where, after_index(point), lambda *_: None)
        assert (restored.index, restored.expected) == (point, wanted)
        assert wanted is None or digest_of(disk, where) == wanted
    assert before != plan.digest, "what was in flight has gone back by then"
    old.path = tmp_path / f"restored{plan.index}"
    assert verify(str(old.path)).whole
    test_every_queue_and_every_message_is_there(old)
