"""Consumers of a simulated store: what they take is held against what was promised."""

from __future__ import annotations

from openmessaging.broker.admin import Admin
from openmessaging.broker.store import Store
from openmessaging.model.batch import BatchHeader, decode
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, Delivery, GroupConfig, SubscriptionSpec
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.promises import Held, Promises

QUEUE = "default://queue"
CONFIGS = {
    "plain": GroupConfig(invisible_time=20, backoff=Backoff(initial=1, maximum=5, max_delivery=4)),
    "keyed": GroupConfig(invisible_time=20, order="key", backoff=Backoff(initial=1, maximum=5, max_delivery=4)),
}


class Consumers:
    """The consumers of all groups, on a store that was just opened.

    Args:
        store: the store.
        clock: the store's, moved when there is nothing to take.
        promises: what the clients were promised.
        configs: the groups.
        whole: False where stored bytes may be damaged: what is told then is counted and passed over.
    """

    def __init__(
        self,
        store: Store,
        clock: SimulatedClock,
        promises: Promises,
        configs: dict[str, GroupConfig] = CONFIGS,
        *,
        whole: bool = True,
    ) -> None:
        self._clock = clock
        self._promises = promises
        self._whole = whole
        self._admin = Admin(store.runner)
        self.runner = store.runner
        self.groups = {name: self._admin.join(SubscriptionSpec(QUEUE, name, configs[name])) for name in configs}
        self.told: list[str] = []
        """The damage that was told."""
        self._lost: set[tuple[str, int]] = set()
        promises.reopened()

    def fetch(self, name: str, count: int) -> list[Held]:
        """Receive for a group; what was stored wrongly, and told, is acknowledged unread."""
        found: list[Held] = []
        for delivery in self.runner.receive(self.groups[name], count, 1 << 20, None) or ():
            batch = self._read(delivery)
            if batch is None:
                first = delivery.base_offset + delivery.first
                offsets = range(first, delivery.base_offset + delivery.last)
                self.runner.ack(self.groups[name].id, delivery.lease_id, offsets)
                continue
            for place in range(delivery.first, delivery.last):
                message_id, record = _message(batch, place)
                offset = delivery.base_offset + place
                held = Held(message_id, delivery.lease_id, offset, delivery.deadline_ms, delivery.partition)
                # beside damage a lease cannot be buried: what is whole of it comes once more
                self._promises.received(name, held, record.data, delivery.attempt if self._whole else 1)
                found.append(held)
        return found

    def drain(self, name: str) -> None:
        """Take and acknowledge everything a group has, then look at its dead letters: nothing must be missing."""
        self._lost.clear()
        for _ in range(10_000):
            found = self.fetch(name, 100)
            for held in found:
                self.runner.ack(self.groups[name].id, held.lease_id, [held.offset])
                self._promises.settling(name, held)
            lag = self._admin.describe_group(QUEUE, name).lag
            if not found and not lag:
                break
            if not found:
                self._clock.advance(5)
                self._promises.expired(self._clock.now_ms())
        else:
            raise AssertionError(f"group {name} does not come to an end")
        self._read_dead_letters(name)
        self._promises.check_complete(name, len(self._lost))

    def _read_dead_letters(self, name: str) -> None:
        queue = self.groups[name].dead_letter_queue
        if queue not in self.runner.engine.queues:
            return
        offset = 0
        while found := self._admin.browse(queue, 0, offset, 1000, None):
            for delivery in found:
                offset = delivery.base_offset + delivery.last
                batch = self._read(delivery)
                if batch is None:
                    continue
                for place in range(delivery.first, delivery.last):
                    message_id, record = _message(batch, place)
                    self._promises.dead(name, message_id, record.data)

    def _read(self, delivery: Delivery) -> tuple[BatchHeader, list[Record]] | None:
        """What was delivered; None when it is damaged."""
        try:
            header, _, records = decode(delivery.data)
        except OMSRuntimeException as failure:
            if self._whole or failure.code != 1501:
                raise
            first, last = delivery.base_offset + delivery.first, delivery.base_offset + delivery.last
            self.told.append(f"{delivery.destination}, offsets {first} to {last - 1}: {failure.reason}")
            self._lost.update((delivery.destination, offset) for offset in range(first, last))
            return None
        return header, records


def _message(batch: tuple[BatchHeader, list[Record]], place: int) -> tuple[str, Record]:
    """Id and record of a message of a batch."""
    header, records = batch
    record = records[place]
    return (record.headers or {}).get("messageId") or header.message_id(place), record
