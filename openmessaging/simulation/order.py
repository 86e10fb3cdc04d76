"""Keys and priorities with members that come and go, on the production store on a simulated disk, from a seed.

    python -m openmessaging.simulation.order --seeds 1000
    python -m openmessaging.simulation.order --seed 17      (one seed, with its faults and the last calls to the disk)

Several members share each group. They acknowledge, fail, extend, leave with what they hold, or are never heard of
again; beside that everything happens that happens in `openmessaging.simulation.broker` (crashes, full disk, failed
writes and syncs, upkeep). What must hold, beside what holds there, at every delivery of a message with a key:

- no other message of its key is in flight in the group, whatever its priority and lane;
- in one life of the store, no later message of its key and priority was delivered before;
- every earlier message of its key and priority whose send returned was acknowledged or has had its last delivery.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ClassVar

import google_crc32c
import msgspec

from openmessaging.broker.entry import Entry, Extend
from openmessaging.broker.store import StoreOptions
from openmessaging.model.batch import encode, make_id
from openmessaging.model.headers import DEFAULT_PRIORITY
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, GroupConfig, OutgoingBatch
from openmessaging.simulation.broker import SHARED, BrokerRun, main
from openmessaging.simulation.consumers import QUEUE
from openmessaging.simulation.promises import Held, Item, Promises

PARTITIONS = 2
_KEYS = (None, "a", "b", "c", "d")
_PRIORITIES = (None, None, None, 1, 5, 9, 10)
_MEMBERS = 5


class OrderPromises(Promises):
    """The model, with priorities."""

    def __init__(self, configs: dict[str, GroupConfig]) -> None:
        super().__init__(configs)
        self._lines: dict[tuple[str, int], list[str]] = {}
        """Message ids of each key and priority, in the order of sending."""
        self._line_of: dict[str, tuple[str, int]] = {}
        self._over: dict[str, set[str]] = {name: set() for name in configs}
        """What was acknowledged or had its last delivery, in any life of the store."""

    def sending_as(self, priority: int | None, items: list[Item]) -> None:
        """A send of messages of one priority begins."""
        self.sending(items)
        for message_id, key, _ in items:
            if key is not None:
                line = self._line_of[message_id] = key, priority or DEFAULT_PRIORITY
                self._lines.setdefault(line, []).append(message_id)

    def _check_order(self, name: str, key: str, message_id: str, attempt: int) -> None:
        line = self._line_of[message_id]
        place = name, f"{key} {line[1]}"
        last = self._last.get(place, -1)
        assert self._order[message_id] >= last, f"{message_id} came after a later one of its key and priority"
        self._last[place] = self._order[message_id]
        members = self._lines[line]
        for earlier in members[: members.index(message_id)]:
            over = earlier not in self._sent or earlier in self._over[name]
            assert over, f"{message_id} came although {earlier} of its key and priority is not done"
        if attempt >= self._configs[name].backoff.max_delivery:
            self._over[name].add(message_id)

    def settling(self, name: str, held: Held) -> None:
        """An acknowledgement was taken."""
        super().settling(name, held)
        self._over[name].add(held.message_id)

    def reopened(self) -> None:
        """The store was opened anew: what was lost comes again, in order."""
        super().reopened()
        self._last.clear()

    def extended(self, name: str, old: Held, entry: Entry) -> None:
        """A lease lasts longer, for all its messages."""
        deadline_ms = next(operation.deadline_ms for operation in entry.operations if isinstance(operation, Extend))
        holding = self._held[name]
        for place, held in holding.items():
            if held.lease_id == old.lease_id:
                holding[place] = msgspec.structs.replace(held, deadline_ms=deadline_ms)


class OrderRun(BrokerRun):
    """One seed."""

    configs: ClassVar[dict[str, GroupConfig]] = {
        "quick": GroupConfig(invisible_time=20, order="key", backoff=Backoff(initial=0, maximum=0, max_delivery=3)),
        "slow": GroupConfig(invisible_time=20, order="key", backoff=Backoff(initial=3, maximum=30, max_delivery=5)),
    }
    options: ClassVar[StoreOptions] = StoreOptions(segment_bytes=64 * 1024, partitions=PARTITIONS)
    promises: OrderPromises

    def __init__(self, seed: int) -> None:
        self.members: dict[tuple[str, int], list[Held]] = {}
        super().__init__(seed)

    def _actions(self) -> list[Callable[[], None]]:
        actions = [action for action in super()._actions() if action != self._rot]
        return actions + [self._receive] * 20 + [self._leave] * 6 + [self._extend] * 6

    def _make_promises(self) -> OrderPromises:
        return OrderPromises(self.configs)

    def _open(self) -> None:
        self.members.clear()
        super()._open()

    def _send(self) -> None:
        batches: list[OutgoingBatch] = []
        sent: list[Item] = []
        for _ in range(self.random.choice((1, 1, 2, 4))):
            key, priority = self.random.choice(_KEYS), self.random.choice(_PRIORITIES)
            number = None if key is None else google_crc32c.value(key.encode()) % PARTITIONS
            count = self.random.choice((1, 1, 2, 5))
            records = [Record(self.random.randbytes(20), key) for _ in range(count)]
            now_ms = self.clock.now_ms()
            batch = encode(records, shared=SHARED, born_ms=now_ms, producer_id=1, first_sequence=self.sequence)
            batches.append(OutgoingBatch(QUEUE, number, batch, priority))
            ids = [make_id(now_ms, 1, self.sequence + place) for place in range(count)]
            items: list[Item] = [(ids[place], key, record.data) for place, record in enumerate(records)]
            self.promises.sending_as(priority, items)
            sent += items
            self.sequence += count
        if self._try(lambda: self.store.runner.send(batches)):
            self.promises.sent(sent)

    def _receive(self) -> None:
        """A member takes something; there may be a new one each time."""
        name = self.random.choice(list(self.configs))
        member = name, self.random.randrange(_MEMBERS)
        self._try(lambda: self._take(member, self.random.choice((1, 3, 20))))

    def _take(self, member: tuple[str, int], count: int) -> None:
        self.promises.expired(self.clock.now_ms())
        self.members.setdefault(member, []).extend(self.consumers.fetch(member[0], count))

    def _leave(self) -> None:
        """A member goes: it gives back what it holds, or is just gone and its leases run out."""
        if not self.members:
            return
        member = self.random.choice(list(self.members))
        holding = self.members.pop(member)
        if self.random.random() < 0.5:
            return
        group, runner = self.consumers.groups[member[0]], self.store.runner
        for held in holding:
            if self.promises.holds(member[0], held, self.clock.now_ms()):
                lease_id, offsets = held.lease_id, [held.offset]
                self._try(
                    lambda lease_id=lease_id, offsets=offsets: runner.give_back(  # type: ignore[misc]
                        lambda engine, now_ms: engine.decide_release(now_ms, group.id, lease_id, offsets)
                    )
                )
                self.promises.lapsed(member[0], held)

    def _extend(self) -> None:
        name = self.random.choice(list(self.configs))
        held = self.promises.pick(name, self.random)
        if held is None or held.deadline_ms <= self.clock.now_ms():
            return
        group, runner, seconds = self.consumers.groups[name], self.store.runner, self.random.choice((5.0, 40.0))
        self._try(
            lambda: self.promises.extended(
                name,
                held,
                runner.give_back(lambda engine, now_ms: engine.decide_extend(now_ms, group.id, held.lease_id, seconds)),
            )
        )


if __name__ == "__main__":
    sys.exit(main(kind=OrderRun, description=__doc__))
