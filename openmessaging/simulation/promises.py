"""What clients were promised, remembered apart from the system that promised it."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec

from openmessaging.model.spi import GroupConfig

Item = tuple[str, str | None, bytes]
"""Message id, key, body."""


class Held(msgspec.Struct, frozen=True):
    """A message in the hands of a consumer."""

    message_id: str
    lease_id: int
    offset: int
    deadline_ms: int
    partition: int = 0


class Promises:
    """The model: sends that returned, settlements that were flushed, and what follows for each delivery."""

    def __init__(self, configs: dict[str, GroupConfig]) -> None:
        self._configs = configs
        self._bodies: dict[str, tuple[str | None, bytes]] = {}
        self._order: dict[str, int] = {}
        self._sent: set[str] = set()
        self._held: dict[str, dict[tuple[int, int], Held]] = {name: {} for name in configs}
        self._settled: dict[str, set[str]] = {name: set() for name in configs}
        self._durable: dict[str, set[str]] = {name: set() for name in configs}
        self._got: dict[str, set[str]] = {name: set() for name in configs}
        self._last: dict[tuple[str, str], int] = {}

    def sending(self, items: Iterable[Item]) -> None:
        """A send begins: from now on these may arrive."""
        for message_id, key, body in items:
            self._bodies[message_id] = key, body
            self._order[message_id] = len(self._order)

    def sent(self, items: Iterable[Item]) -> None:
        """A send returned: these must arrive."""
        self._sent.update(message_id for message_id, _, _ in items)

    def received(self, name: str, held: Held, body: bytes, attempt: int) -> None:
        """A delivery: it was sent, is as it was sent, is not settled for good, and keeps the order of its key."""
        message_id = held.message_id
        assert message_id in self._bodies, f"{message_id} was never sent"
        key, expected = self._bodies[message_id]
        assert body == expected, f"{message_id} came with another body"
        assert message_id not in self._durable[name], f"{message_id} came again after its settlement was flushed"
        assert message_id not in self._settled[name], f"{message_id} came again although it is settled"
        assert attempt <= self._configs[name].backoff.max_delivery, f"{message_id} came for the {attempt}th time"
        holding = self._held[name]
        place = held.partition, held.offset
        assert place not in holding, f"partition and offset {place} are in other hands"
        if self._configs[name].order == "key" and key is not None:
            same = [other for other in holding.values() if self._bodies[other.message_id][0] == key]
            assert not same, f"{message_id} came while {same} of the same key is in flight"
            self._check_order(name, key, message_id, attempt)
        self._got[name].add(message_id)
        holding[place] = held

    def _check_order(self, name: str, key: str, message_id: str, _: int) -> None:
        """The first deliveries of a key come in the order of sending."""
        if message_id not in self._got[name]:
            last = self._last.get((name, key), -1)
            assert self._order[message_id] > last, f"{message_id} came after a later one of its key"
            self._last[name, key] = self._order[message_id]

    def pick(self, name: str, chance: random.Random) -> Held | None:
        """One of the messages that a group's consumers hold."""
        holding = self._held[name]
        return holding[chance.choice(list(holding))] if holding else None

    def holds(self, name: str, held: Held, now_ms: int) -> bool:
        """Whether a consumer still has a message."""
        return self._held[name].get((held.partition, held.offset)) == held and held.deadline_ms > now_ms

    def lapsed(self, name: str, held: Held) -> None:
        """The consumer does not have it any more; it may come again."""
        self._held[name].pop((held.partition, held.offset), None)

    def settling(self, name: str, held: Held) -> None:
        """An acknowledgement was taken: in this life of the store the message must not come again."""
        self.lapsed(name, held)
        self._settled[name].add(held.message_id)

    def flushed(self) -> None:
        """Every settlement so far is on disk."""
        for name, settled in self._settled.items():
            self._durable[name] |= settled

    def expired(self, now_ms: int) -> None:
        """Time has passed: leases that are over hold nothing."""
        for holding in self._held.values():
            for place in [place for place, held in holding.items() if held.deadline_ms <= now_ms]:
                del holding[place]

    def reopened(self) -> None:
        """The store was opened anew: leases are over, settlements that were not flushed may be gone."""
        for name in self._configs:
            self._held[name] = {}
            self._settled[name] = set(self._durable[name])

    def dead(self, name: str, message_id: str, body: bytes) -> None:
        """A dead letter: under its old id, with its old body."""
        assert message_id in self._bodies, f"{message_id} in the dead-letter queue was never sent"
        assert body == self._bodies[message_id][1], f"{message_id} died with another body"
        self._got[name].add(message_id)

    def check_complete(self, name: str, lost: int = 0) -> None:
        """Everything whose send returned was received or is a dead letter, but for as many as were told to be lost."""
        missing = self._sent - self._got[name]
        assert len(missing) <= lost, (
            f"group {name} never got {len(missing)} messages, for example {sorted(missing)[:3]}"
        )
