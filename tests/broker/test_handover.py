"""Requests handed straight to a consumer: the log replays to the same state, nothing is lost, nothing comes twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker import handover
from openmessaging.broker.admin import Admin
from openmessaging.broker.handover import BULK, hand_over, is_plain, take_back
from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.broker.wakeups import Receiver
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.mail import HANDED_OVER
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, GroupConfig, OutgoingBatch, SubscriptionSpec

QUEUE = "default://q"


def batch(number: int, partition: int | None = None, priority: int | None = None) -> OutgoingBatch:
    record = Record(b"%d" % number)
    made = encode((record,), shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=number)
    return OutgoingBatch(QUEUE, partition, made, priority)


class Case:
    """A store with a queue and a group."""

    def __init__(self, path, flush: str = "interval", config: GroupConfig | None = None, partitions: int = 1) -> None:
        self.store: Store = open_store(str(path), StoreOptions(flush=flush), upkeep=False)
        self.runner = self.store.runner
        self.admin = Admin(self.runner)
        if QUEUE not in self.runner.engine.queues:
            self.admin.create_queue(QUEUE, partitions, {})
        self.group = self.admin.join(SubscriptionSpec(QUEUE, "g", config or GroupConfig()))

    def wait(self) -> Receiver:
        receiver = Receiver(lambda: None)
        assert self.runner.receive(self.group, 10, 1 << 20, receiver) == []
        return receiver

    def left(self) -> list[int]:
        """Offsets that are still to be received."""
        self.runner.flush()
        deliveries = self.runner.receive(self.group, 1_000, 1 << 20, None)
        return [each.base_offset + place for each in deliveries for place in range(each.first, each.last)]


def test_who_waits_gets_the_request_and_it_is_done(tmp_path):
    case = Case(tmp_path)
    first, second = case.wait(), case.wait()
    assert hand_over(case.runner, batch(1))
    assert second.delivery is None
    assert (first.delivery.base_offset, first.delivery.lease_id) == (0, HANDED_OVER)
    assert hand_over(case.runner, batch(2))
    assert second.delivery.base_offset == 1
    assert not hand_over(case.runner, batch(3)), "nobody waits"
    assert case.left() == []
    assert case.admin.describe_group(QUEUE, "g").lag == 0
    case.store.close()
    again = Case(tmp_path)
    assert again.runner.engine.queues[QUEUE].partitions[0].end == 2
    assert again.left() == []
    again.store.close()


def test_what_went_back_comes_again(tmp_path):
    case = Case(tmp_path)
    receiver, other = case.wait(), case.wait()
    hand_over(case.runner, batch(1))
    take_back(case.runner, case.group, receiver.delivery)
    assert other.delivery is None
    (delivery,) = case.runner.receive(case.group, 10, 1 << 20, None)
    assert (delivery.base_offset, delivery.attempt) == (0, 1)
    case.admin.delete_group(QUEUE, "g")
    take_back(case.runner, case.group, receiver.delivery)  # nobody is left to give it to
    case.store.close()


def test_the_long_way_where_it_has_to_be(tmp_path):
    def refused(case: Case, outgoing: OutgoingBatch) -> bool:
        return not hand_over(case.runner, outgoing)

    durable = Case(tmp_path / "durable", flush="always")
    durable.wait()
    assert refused(durable, batch(1)), "it is on disk before anybody sees it"
    durable.store.close()
    keyed = Case(tmp_path / "keyed", config=GroupConfig(order="key"))
    keyed.wait()
    assert refused(keyed, batch(1))
    keyed.store.close()
    case = Case(tmp_path / "case")
    case.wait()
    assert refused(case, batch(1, partition=1))
    assert refused(case, batch(1, priority=3))
    case.admin.update_queue(QUEUE, {"filter": "colour = 'red'"})
    assert refused(case, batch(1)), "somebody has to look at it"
    case.admin.update_queue(QUEUE, {"filter": ""})
    assert refused(case, OutgoingBatch("default://other", None, batch(1).batch))
    other = case.admin.join(SubscriptionSpec(QUEUE, "h", GroupConfig()))
    assert refused(case, batch(1)), "both groups want it"
    case.admin.delete_group(QUEUE, "h")
    assert other.name == "h"
    case.runner.send((batch(1),))
    with case.runner.lock:
        case.runner.receivers.add(case.group.id, Receiver(lambda: None))
    assert refused(case, batch(2)), "one lies before it"
    case.runner.shut()
    assert refused(case, batch(2))


def test_a_full_disk_is_told_to_the_requester_and_the_other_asks_again(tmp_path, monkeypatch):
    case = Case(tmp_path)
    woken = []
    assert case.runner.receive(case.group, 1, 1 << 20, Receiver(lambda: woken.append(1))) == []

    def full(*_, **__):
        raise OMSRuntimeException(1501, "full")

    with monkeypatch.context() as patch:
        patch.setattr(case.runner.storage, "append", full)
        with pytest.raises(OMSRuntimeException) as caught:
            hand_over(case.runner, batch(1))
    assert caught.value.code == 1501
    assert woken == [1]
    case.store.close()


def test_many_are_written_at_once(tmp_path):
    case = Case(tmp_path)
    for number in range(BULK):
        case.wait()
        assert hand_over(case.runner, batch(number))
        assert case.runner.engine.durable >= case.runner.storage.max_index() or number < BULK - 1
    assert case.runner.handed_over == 0
    assert case.runner.engine.queues[QUEUE].partitions[0].visible == BULK
    case.wait()
    hand_over(case.runner, batch(BULK))
    assert case.runner.engine.queues[QUEUE].partitions[0].visible == BULK
    case.store.maintenance.work(full_round=True)
    assert case.runner.engine.queues[QUEUE].partitions[0].visible == BULK + 1
    case.store.close()


def test_only_rules_that_need_no_look_at_messages_are_plain():
    assert is_plain(GroupConfig("latest", "none", 1.0, Backoff(max_delivery=1), True))
    assert not is_plain(GroupConfig(order="key"))
    assert handover.BULK > 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["hand", "hand", "send", "back", "receive", "reopen"]), max_size=25))
def test_each_message_is_taken_once_or_is_still_there(steps: list[str]):
    import tempfile

    with tempfile.TemporaryDirectory() as path:
        case = Case(path)
        sent, taken, leased, last = 0, set(), [], None
        for step in steps:
            if step == "hand":
                receiver = Receiver(lambda: None)
                found = case.runner.receive(case.group, 1, 1 << 20, receiver)
                leased += [each.base_offset for each in found]
                if not found:
                    assert hand_over(case.runner, batch(sent))
                    assert receiver.delivery.base_offset == sent
                    taken.add(sent)
                    last, sent = receiver.delivery, sent + 1
            elif step == "send":
                case.runner.send((batch(sent),))
                sent += 1
            elif step == "back" and last is not None:
                take_back(case.runner, case.group, last)
                taken.discard(last.base_offset)
                last = None
            elif step == "receive":
                leased += case.left()
            elif step == "reopen":
                case.store.close()
                case, leased, last = Case(path), [], None  # leases ended: those messages come again
            assert not taken & set(leased)
            assert len(leased) == len(set(leased))
        remaining = case.left()
        assert taken | set(leased) | set(remaining) == set(range(sent))
        assert not taken & set(remaining)
        case.store.close()
