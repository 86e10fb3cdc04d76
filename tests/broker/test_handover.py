"""Requests handed straight to who is free: the log replays to the same state, nothing is lost, nothing comes twice."""

import random
import tempfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker.admin import Admin
from openmessaging.broker.handover import BULK, BULK_BYTES, is_plain
from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.model.batch import decode, encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.mail import Handed
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, GroupConfig, OutgoingBatch, SubscriptionSpec
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.disk import SimulatedDisk

QUEUE = "default://q"


def batch(number: int, priority: int | None = None) -> OutgoingBatch:
    record = Record(b"%d" % number)
    made = encode((record,), shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=number)
    return OutgoingBatch(QUEUE, None, made, priority)


def request(number: int, partition: int | None = None, queue: str = QUEUE, data: bytes | None = None) -> Handed:
    record = Record(b"%d" % number if data is None else data, "key", {"colour": "red"})
    return Handed(queue, partition, record, f"call-{number}", "mailbox", 2, 0, 1, "host", 1, number)


class Case:
    """A store with a queue, a group, and a service of it with room for some requests."""

    def __init__(
        self,
        path: str,
        flush: str = "interval",
        config: GroupConfig | None = None,
        partitions: int = 1,
        disk: SimulatedDisk | None = None,
    ) -> None:
        options = StoreOptions(flush=flush)
        self.store: Store = open_store(str(path), options, disk=disk, clock=SimulatedClock(), upkeep=False)
        self.runner = self.store.runner
        self.admin = Admin(self.runner)
        if QUEUE not in self.runner.engine.queues:
            self.admin.create_queue(QUEUE, partitions, {})
        self.group = self.admin.join(SubscriptionSpec(QUEUE, "g", config or GroupConfig()))
        self.room = 0
        self.taken: list[Handed] = []
        self.store.mailboxes.open("service", self.taken.append, (QUEUE, "g"), self.offer)

    def offer(self) -> Callable[[Handed], object] | None:
        if not self.room:
            return None
        self.room -= 1
        return self.taken.append

    def give(self, handed: Handed) -> bool:
        self.room = 1
        given = self.store.hand_overs.give(handed)
        assert self.room == (0 if given else 1), "nobody is taken for nothing"
        return given

    def left(self) -> list[bytes]:
        """Bodies that are still to be received."""
        self.runner.flush()
        found = self.runner.receive(self.group, 1_000, 1 << 20, None) or []
        return [body for each in found for body in bodies(each.data)[each.first : each.last]]


def bodies(data: bytes) -> list[bytes]:
    return [record.data for record in decode(data)[2]]


def test_who_is_free_gets_the_request_and_the_log_gets_the_record(tmp_path):
    case = Case(tmp_path)
    assert not case.store.hand_overs.give(request(0)), "nobody is free"
    assert case.give(request(1))
    assert case.give(request(2))
    assert [handed.sequence for handed in case.taken] == [1, 2]
    assert case.admin.describe_queue(QUEUE).messages == 0
    case.store.maintenance.work(full_round=True)
    assert case.left() == []
    info = case.admin.describe_group(QUEUE, "g")
    assert (info.lag, info.floors) == (0, [2])
    [delivery] = case.admin.browse(QUEUE, 0, 0, 10, None)
    header, _, records = decode(delivery.data)
    assert header.count == 2
    assert records[0].properties == {"colour": "red", "rpc.reply-to": "mailbox"}
    expected = {"correlationId": "call-1", "expireTime": 2, "bornTimestamp": 1, "bornHost": "host"}
    assert records[0].headers == {**expected, "messageId": request(1).header("messageId", 0)}
    case.store.close()
    again = Case(tmp_path)
    assert again.admin.describe_queue(QUEUE).messages == 2
    assert again.left() == []
    again.store.close()


def test_closing_writes_the_record(tmp_path):
    case = Case(tmp_path)
    assert case.give(request(1))
    case.store.close()
    again = Case(tmp_path)
    assert again.admin.describe_queue(QUEUE).messages == 1
    again.store.close()


def test_what_was_sent_between_handing_over_and_the_record_is_received(tmp_path):
    case = Case(tmp_path)
    assert case.give(request(1))
    case.runner.send((batch(2), batch(3)))
    assert not case.give(request(4)), "others lie before it"
    case.store.hand_overs.record()
    assert case.left() == [b"2", b"3"]
    case.store.close()


def test_many_are_recorded_at_once(tmp_path):
    case = Case(tmp_path)
    for number in range(BULK):
        assert case.admin.describe_queue(QUEUE).messages == 0
        assert case.give(request(number))
    case.runner.flush()
    assert case.admin.describe_queue(QUEUE).messages == BULK
    assert case.give(request(0, data=b"x" * BULK_BYTES))
    case.runner.flush()
    assert case.admin.describe_queue(QUEUE).messages == BULK + 1
    case.store.close()


def test_the_long_way_where_it_has_to_be(tmp_path):
    durable = Case(tmp_path / "durable", flush="always")
    assert not durable.give(request(1)), "it is on disk before anybody sees it"
    durable.store.close()
    keyed = Case(tmp_path / "keyed", config=GroupConfig(order="key"))
    assert not keyed.give(request(1))
    keyed.store.close()
    case = Case(tmp_path / "case")
    assert not case.give(request(1, partition=1))
    assert not case.give(request(1, queue="default://other"))
    case.admin.update_queue(QUEUE, {"filter": "colour = 'red'"})
    assert not case.give(request(1)), "somebody has to look at it"
    case.admin.update_queue(QUEUE, {"filter": ""})
    case.admin.join(SubscriptionSpec(QUEUE, "h", GroupConfig()))
    assert not case.give(request(1)), "both groups want it"
    case.admin.delete_group(QUEUE, "h")
    assert case.give(request(1))
    case.store.mailboxes.close("service")
    assert not case.give(request(1)), "nobody serves"
    case.runner.send((batch(1, priority=3),))
    case.store.mailboxes.open("service", case.taken.append, (QUEUE, "g"), case.offer)
    assert not case.give(request(1)), "priorities take turns"
    case.runner.shut()
    assert not case.give(request(2))


def test_services_take_turns_and_each_has_its_partition(tmp_path):
    case = Case(tmp_path, partitions=3)
    second: list[Handed] = []
    case.store.mailboxes.open("other", second.append, (QUEUE, "g"), lambda: second.append)
    for number in range(6):
        case.room = 6
        assert case.store.hand_overs.give(request(number))
    assert len(case.taken) == len(second) == 3
    assert {handed.partition for handed in case.taken + second} == {0, 1, 2}
    case.store.hand_overs.record()
    case.runner.flush()
    assert case.admin.describe_queue(QUEUE).offsets == [(0, 2)] * 3
    assert case.left() == []
    case.store.close()


def test_a_queue_or_group_that_is_gone_gets_no_record(tmp_path):
    case = Case(tmp_path)
    assert case.give(request(1))
    case.admin.delete_group(QUEUE, "g")
    case.store.hand_overs.record()
    case.runner.flush()
    assert case.admin.describe_queue(QUEUE).messages == 1
    case.group = case.admin.join(SubscriptionSpec(QUEUE, "g", GroupConfig("latest")))
    assert case.give(request(2))
    case.admin.delete_queue(QUEUE)
    case.store.hand_overs.record()
    assert QUEUE not in case.runner.engine.queues
    case.store.close()


def test_a_log_that_takes_nothing_goes_without_the_record(tmp_path, monkeypatch):
    case = Case(tmp_path)

    def full(*_, **__):
        raise OMSRuntimeException(1501, "full")

    with monkeypatch.context() as patch:
        patch.setattr(case.runner.storage, "append", full)
        assert case.give(request(1))
        case.store.hand_overs.record()
    assert len(case.taken) == 1
    assert case.left() == []
    case.store.close()


@pytest.mark.parametrize("config", [GroupConfig(order="key"), GroupConfig(filter="a = 1")])
def test_only_rules_that_need_no_look_at_messages_are_plain(config):
    assert is_plain(GroupConfig("latest", "none", 1.0, Backoff(max_delivery=1), True))
    assert not is_plain(config)


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(["give", "give", "send", "receive", "record", "reopen", "crash"]), max_size=30),
    st.integers(0, 1 << 30),
)
def test_each_message_is_taken_once_or_is_still_there(steps: list[str], seed: int):
    """Whatever is given is taken by a service; whatever is sent and flushed is received; nobody gets both, or twice,
    not even after a crash that loses what was not synced."""
    disk = SimulatedDisk(random.Random(seed)) if "crash" in steps else None
    with tempfile.TemporaryDirectory() as folder:
        path = "/store" if disk is not None else folder
        case = Case(path, disk=disk)
        given_away: set[bytes] = set()
        sent: set[bytes] = set()
        fresh: set[bytes] = set()  # of what was sent, what a crash may lose
        synced: set[bytes] = set()
        received: list[bytes] = []
        for number, step in enumerate(steps):
            body = b"%d" % number
            if step == "give":
                if case.give(request(number)):
                    assert case.taken.pop().sequence == number
                    given_away.add(body)
            elif step == "send":
                case.runner.send((batch(number),))
                sent.add(body)
                fresh.add(body)
            elif step == "receive":
                received += case.left()
                synced |= fresh
                fresh.clear()
            elif step == "record":
                case.store.hand_overs.record()
            else:
                if step == "reopen":
                    case.store.close()
                    synced |= fresh
                elif disk is not None:
                    disk.crash()
                fresh.clear()
                case = Case(path, disk=disk)
                received = []  # leases ended: those messages come again
            assert len(received) == len(set(received))
            assert not given_away & set(received)
        received += case.left()
        synced |= fresh
        assert len(received) == len(set(received))
        assert not given_away & set(received)
        assert synced <= set(received) <= sent
        case.store.close()
