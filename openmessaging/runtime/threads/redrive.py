# Generated from openmessaging/runtime/aio/redrive.py by scripts/unasync.py: change that file instead.
"""Sending dead letters back: those that are chosen, at a rate, each in one step with its leaving the dead letters.

A consumer group of its own on the dead-letter queue, `redrive`, knows what was sent back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.model.message import Message
from openmessaging.model.replay import Delivery, Refused
from openmessaging.model.spi import Backoff, Capability, GroupConfig, SubscriptionSpec
from openmessaging.runtime.positions import READ_MESSAGES, messages_of
from openmessaging.runtime.required import require
from openmessaging.runtime.result import RedriveReport
from openmessaging.runtime.threads.primitives import Driver, Subscription, sleep

GROUP = "redrive"
MAX_BYTES = 8 << 20
MAX_LETTERS = 100_000
"""Most dead letters that are looked at before any is sent back."""
MAX_LETTER_BYTES = 256 << 20
_CONFIG = GroupConfig(invisible_time=3600.0, backoff=Backoff(max_delivery=1_000_000))
"""A letter that stays is given back, never buried again."""
Chosen = Callable[[Message], bool]


def letters(driver: Driver, queue: str, group: str, maximum: int = MAX_LETTERS) -> list[Message]:
    """The dead letters of a group that were not sent back, the oldest first. Raises OMSDestinationException 1404."""
    name = (driver.describe_group(queue, group)).dead_letter_queue
    try:
        groups = driver.list_groups(name)
    except OMSDestinationException:
        return []
    if any(info.name == GROUP for info in groups):
        return messages_of(driver.peek(name, GROUP, maximum, MAX_LETTER_BYTES))
    found: list[Message] = []
    for number, (offset, _) in enumerate((driver.describe_queue(name)).offsets):
        found += messages_of(driver.read(name, number, offset, maximum))
    return found[:maximum]


class Redrive:
    """One run over the dead letters of a group; see `ResourceManager.redrive`."""

    def __init__(
        self, driver: Driver, target: str | None, chosen: Chosen, rate: float | None, limit: int, max_redrives: int
    ) -> None:
        self._driver = driver
        self._target = target
        self._chosen = chosen
        self._rate = rate
        self._limit = limit
        self._max_redrives = max_redrives
        self._moved = 0
        self._refused: list[Refused] = []
        self._began = monotonic()

    def run(self, queue: str, group: str, progress: Callable[[int], object] | None) -> RedriveReport:
        """Send them back. Raises as `ResourceManager.redrive`."""
        require(self._driver.capabilities, Capability.REDRIVE)
        found = letters(self._driver, queue, group)
        wanted = [letter for letter in found if self._chosen(letter)]
        self._limit = min(self._limit, len(wanted))
        if self._limit:
            name = (self._driver.describe_group(queue, group)).dead_letter_queue
            subscription = self._driver.subscribe(SubscriptionSpec(name, GROUP, _CONFIG, update=True))
            self._move(subscription, len(found), progress)
        return RedriveReport(len(found), len(wanted), self._moved, self._refused)

    def _move(self, subscription: Subscription, left: int, progress: Callable[[int], object] | None) -> None:
        """Go through that many letters; what stays is given back at the end, so that none comes twice."""
        held: list[int] = []
        at_once = READ_MESSAGES if self._rate is None else max(1, min(READ_MESSAGES, int(self._rate / 10)))
        try:
            while left > 0 and self._moved < self._limit:
                deliveries = subscription.fetch(min(left, at_once), MAX_BYTES, 0.0)
                if not deliveries:
                    break
                leases: dict[int, list[Delivery]] = {}
                for delivery in deliveries:
                    leases.setdefault(delivery.lease_id, []).append(delivery)
                held += leases
                before = self._moved
                for lease_id, parts in leases.items():
                    self._move_lease(subscription, lease_id, messages_of(parts))
                left -= sum(delivery.last - delivery.first for delivery in deliveries)
                if progress is not None:
                    progress(self._moved - before)
                if self._rate is not None:
                    sleep(max(0.0, self._began + self._moved / self._rate - monotonic()))
        finally:
            for lease_id in held:
                _give_back(subscription, lease_id)
            subscription.flush()
            subscription.close()

    def _move_lease(self, subscription: Subscription, lease_id: int, messages: Sequence[Message]) -> None:
        offsets = [message.offset or 0 for message in messages if self._chosen(message)][: self._limit - self._moved]
        if offsets:
            refused = subscription.move(lease_id, offsets, self._target, self._max_redrives)
            self._refused += refused
            self._moved += len(offsets) - len(refused)


def _give_back(subscription: Subscription, lease_id: int) -> None:
    try:
        subscription.release(lease_id, None)
    except OMSRuntimeException as failure:
        if failure.code != 1418:  # nothing of it is left
            raise
