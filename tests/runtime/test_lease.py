"""The book of a lease, against a settler that remembers; and the origin of a delivery."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.batch import OWN_IDS, encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery
from openmessaging.runtime.lease import DeliveryOrigin, Lease, leased, offsets_of


class Ledger:
    """Keeps what was settled, as a subscription would; `over` makes every call fail."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self.left = set(offsets)
        self.calls: list[tuple[str, object]] = []
        self.over: int | None = None

    def _settle(self, what: str, offsets: Sequence[int] | None) -> None:
        if self.over is not None:
            raise error(self.over, "over")
        self.calls.append((what, offsets))
        gone = self.left if offsets is None else set(offsets)
        assert gone <= self.left
        assert offsets is None or len(gone) == len(offsets)
        self.left = self.left - gone

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        self._settle("ack", offsets)

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        self._settle("nack", offsets)

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        self._settle("reject", offsets)

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        self._settle("release", offsets)

    def extend(self, lease_id: int, invisible_time: float) -> int:
        if self.over is not None:
            raise error(self.over, "over")
        self.calls.append(("extend", invisible_time))
        return 0


def lease_of(offsets: Sequence[int]) -> tuple[Lease, Ledger]:
    ledger = Ledger(offsets)
    lease = Lease(ledger, 1)
    lease.pending.update(offsets)
    return lease, ledger


@given(st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=12))
def test_every_message_is_settled_once_however_often_it_is_acknowledged(acks: list[list[int]]) -> None:
    lease, ledger = lease_of(range(10))
    for offsets in acks:
        if len(offsets) == 1:
            lease.ack_one(offsets[0])
        else:
            lease.ack(offsets)
        assert ledger.left == lease.pending
    assert lease.pending == set(range(10)) - {offset for offsets in acks for offset in offsets}


def test_the_last_acknowledgement_settles_all_that_is_left() -> None:
    lease, ledger = lease_of([3, 4])
    lease.ack([3, 4])
    assert ledger.calls == [("ack", None)]
    lease, ledger = lease_of([3, 4])
    lease.ack_one(4)
    lease.ack_one(3)
    assert ledger.calls == [("ack", (4,)), ("ack", None)]


def test_what_was_given_back_cannot_be_settled_again() -> None:
    lease, ledger = lease_of([1, 2, 3])
    lease.nack([1], None, "why")
    lease.release([1, 2])
    assert ledger.calls == [("nack", [1]), ("release", [2])]
    for call in (
        lambda: lease.ack_one(1),
        lambda: lease.ack([2, 3]),
        lambda: lease.nack([2], None, ""),
        lambda: lease.extend(1, 5),
    ):
        with pytest.raises(OMSRuntimeException, match="given back") as caught:
            call()
        assert caught.value.code == 1418
    lease.ack([3])
    with pytest.raises(OMSRuntimeException, match="acknowledged"):
        lease.nack([3], None, "")
    assert lease.renew(5)
    assert ("extend", 5) not in ledger.calls


def test_a_lease_that_is_over_leaves_the_book_as_it_was() -> None:
    lease, ledger = lease_of([1, 2])
    ledger.over = 1418
    for call in (lambda: lease.ack_one(1), lambda: lease.ack([1, 2]), lambda: lease.nack([1], None, "")):
        with pytest.raises(OMSRuntimeException):
            call()
    assert lease.pending == {1, 2}
    assert not lease.renew(5)
    lease.release([1])
    ledger.over = 1501
    with pytest.raises(OMSRuntimeException):
        lease.release([2])
    ledger.over = None
    lease, ledger = lease_of([1])
    assert lease.renew(5)
    lease.extend(1, 7)
    assert ledger.calls == [("extend", 5), ("extend", 7)]


def delivery_of(count: int, first: int, last: int, *, attributes: int = 0, lease_id: int = 1) -> Delivery:
    records = [Record(b"%d" % number, None, None, {"messageId": f"own{number}"}) for number in range(count)]
    shared = encode_shared({"bornHost": "host:1"})
    batch = encode(records, shared=shared, born_ms=5, producer_id=7, first_sequence=100, attributes=attributes)
    return Delivery("default://q", 2, 40, 9, batch.head + batch.payload, first, last, lease_id, 3)


def test_the_origin_knows_the_providers_values() -> None:
    origin = DeliveryOrigin(delivery_of(5, 1, 4))
    assert [record.data for record in origin.members] == [b"1", b"2", b"3"]
    values = {
        name: origin.header(name, 1)
        for name in ("partition", "offset", "deliveryCount", "storeTimestamp", "bornTimestamp", "bornHost", "traceId")
    }
    assert values == {
        "partition": 2,
        "offset": 41,
        "deliveryCount": 3,
        "storeTimestamp": 9,
        "bornTimestamp": 5,
        "bornHost": "host:1",
        "traceId": None,
    }
    assert origin.header("messageId", 1) == "00000000000500000000070000000065"
    assert DeliveryOrigin(delivery_of(5, 0, 5, attributes=OWN_IDS)).header("messageId", 3) == "own3"
    assert DeliveryOrigin(delivery_of(1, 0, 1, lease_id=0)).header("deliveryCount", 0) is None


def test_a_batch_in_several_deliveries_is_decoded_once_going_forward() -> None:
    first = DeliveryOrigin(delivery_of(6, 0, 3))
    second = DeliveryOrigin(delivery_of(6, 3, 6), first)
    assert second.records is first.records
    assert [record.data for record in second.members] == [b"3", b"4", b"5"]
    assert DeliveryOrigin(delivery_of(6, 0, 3), second).records is not first.records


def test_deliveries_under_one_lease_share_its_book() -> None:
    one, other, third = delivery_of(3, 0, 2), delivery_of(3, 2, 3), delivery_of(3, 0, 1, lease_id=2)
    found = leased(Ledger([]), [one, other, third])
    assert found[0][0] is found[1][0] is not found[2][0]
    assert found[0][0].pending == {40, 41, 42}
    assert list(offsets_of(other)) == [42]
