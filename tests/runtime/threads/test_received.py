# Generated from tests/runtime/aio/test_received.py by scripts/unasync.py: change that file instead.
"""Messages of a delivery, both faces; settling them is tested with the lease and the consumers."""

from openmessaging.runtime.lease import leased
from openmessaging.runtime.threads.received import by_lease, received
from tests.runtime.test_lease import Ledger, delivery_of


def test_messages_know_their_lease_and_receipt() -> None:
    first, second = delivery_of(3, 1, 3), delivery_of(2, 0, 2, lease_id=5)
    pairs = leased(Ledger([]), [first, second])
    messages = [message for pair in pairs for message in received(*pair)]
    assert [message.data for message in messages] == [b"1", b"2", b"0", b"1"]
    receipt = messages[1].receipt
    assert (receipt.queue, receipt.partition, receipt.offset, receipt.delivery, receipt.lease_id) == (
        "default://q",
        2,
        42,
        3,
        1,
    )
    assert receipt.message_id == messages[1].message_id
    assert [(lease.id, offsets) for lease, offsets in by_lease(messages[:2])] == [(1, [41, 42])]
    mixed = [messages[0], messages[2], messages[1]]
    assert [(lease.id, offsets) for lease, offsets in by_lease(mixed)] == [(1, [41, 42]), (5, [40])]


def test_each_way_of_settling_reaches_the_lease() -> None:
    ledger = Ledger(range(40, 43))
    [(lease, delivery)] = leased(ledger, [delivery_of(3, 0, 3)])
    first, second, third = received(lease, delivery)
    first.ack()
    second.nack(1.0, "why")
    third.extend(9.0)
    assert ledger.calls == [("ack", (40,)), ("nack", (41,)), ("extend", 9.0)]
