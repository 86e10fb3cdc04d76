# Generated from openmessaging/runtime/aio/once.py by scripts/unasync.py: change that file instead.
"""Sends that are stored once: of a named producer, and single messages with a number or a key.

Next stop: `Driver.commit`; the broker's side is `openmessaging/broker/once.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openmessaging.model.batch import attributes_of
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.model.spi import Done, OutgoingBatch, Placement
from openmessaging.model.unique import Unique
from openmessaging.runtime.outgoing import ANYWHERE, NamedPacker, Packer, checked_record, is_directed, route_of
from openmessaging.runtime.result import SendResult
from openmessaging.runtime.threads.primitives import Driver, call, call_within, report
from openmessaging.runtime.timing import is_timed


class OnceDriver:
    """A driver whose sends go by `commit`, which looks at what makes a batch unique: for named producers."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none, each once."""
        return self._driver.commit(batches, ())

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over."""
        report(done, self._first, batch)

    def send_now(self, _: OutgoingBatch) -> Placement | None:
        """Never: a commit takes a turn."""
        return None

    def _first(self, batch: OutgoingBatch) -> Placement:
        return (self._driver.commit((batch,), ()))[0]


def send_once(
    driver: Driver, packer: Packer, message: Message, key: str | None, sequence: int | None, timeout: float
) -> SendResult:
    """Store a message unless one of the same number or key was; see `Producer.send_once`."""
    if key is None and sequence is None:
        raise error(1418, "what makes the message unique was not given", next_step="Give a key or a sequence")
    name = packer.full(message.destination)
    record = checked_record(message, driver.max_body_bytes, once=True)
    partition, _, priority = ANYWHERE
    if is_directed(message.record):
        partition, _, priority = route_of(message, call(driver.partition_count, name))
    attributes, timed = attributes_of((record,)), is_timed(message.record.headers)
    if sequence is None:
        outgoing, origin = packer.pack(name, partition, (record,), attributes, timed, priority)
    elif isinstance(packer, NamedPacker):
        outgoing, origin = packer.pack_at(sequence, name, partition, (record,), attributes, timed, priority)
    else:
        step = "Create the producer with a name"
        raise error(1418, "a sequence is one of a named producer", next_step=step, field="sequence")
    if key is not None:
        by = outgoing.unique or Unique()
        outgoing.unique = Unique(by.producer, by.epoch, by.sequence, key)
    placement = (call_within(timeout, driver.commit, (outgoing,), ()))[0]
    origin.placement = placement
    if placement.original is not None:
        origin.born_ms, origin.producer_id, origin.first_sequence = placement.original
    message.origin = origin
    message.position = 0
    return SendResult(origin, 0)
