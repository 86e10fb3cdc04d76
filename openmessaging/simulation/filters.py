"""Groups with conditions on the production store on a simulated disk, from a seed.

    python -m openmessaging.simulation.filters --seeds 1000
    python -m openmessaging.simulation.filters --seed 17      (one seed, with its faults and the last calls to the disk)

Everything happens that happens in `openmessaging.simulation.broker` (crashes, full disk, failed writes and syncs,
upkeep), at any point of it. What must hold, beside what holds there:

- what a group is given matches its condition;
- at the end, every message that matches and whose send returned was received or is a dead letter, and each group has
  moved past all that does not match.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ClassVar

from openmessaging.broker.store import StoreOptions
from openmessaging.model.batch import encode, make_id
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, GroupConfig, OutgoingBatch
from openmessaging.simulation.broker import SHARED, BrokerRun, main
from openmessaging.simulation.consumers import QUEUE
from openmessaging.simulation.promises import Held, Item, Promises

PARTITIONS = 2
_KEYS = ("ab", "cd")
"""The keys of each partition."""
BACKOFF = Backoff(initial=1, maximum=5, max_delivery=4)
_WANTED = {"plain": b"r", "keyed": b"rg", "rare": b"x"}
"""The colors that each group wants, a letter each: a body begins with the color of its message."""


class FilterPromises(Promises):
    """The model, for groups that want a part of what is sent."""

    def received(self, name: str, held: Held, body: bytes, attempt: int) -> None:
        """A delivery: it matches, and all that is so without a condition."""
        assert body[:1] in _WANTED[name], f"{held.message_id} came and does not match"
        super().received(name, held, body, attempt)

    def check_complete(self, name: str, lost: int = 0) -> None:
        """Everything that matches and whose send returned was received or is a dead letter."""
        sent = self._sent
        self._sent = {message_id for message_id in sent if self._bodies[message_id][1][:1] in _WANTED[name]}
        super().check_complete(name, lost)
        self._sent = sent


class FilterRun(BrokerRun):
    """One seed."""

    configs: ClassVar[dict[str, GroupConfig]] = {
        "plain": GroupConfig(invisible_time=20, backoff=BACKOFF, filter="color = 'r'"),
        "keyed": GroupConfig(invisible_time=20, order="key", backoff=BACKOFF, filter="color IN ('r', 'g')"),
        "rare": GroupConfig(invisible_time=20, backoff=BACKOFF, filter="color NOT IN ('r', 'g', 'b')"),
    }
    options: ClassVar[StoreOptions] = StoreOptions(segment_bytes=64 * 1024, partitions=PARTITIONS)

    def _make_promises(self) -> FilterPromises:
        return FilterPromises(self.configs)

    def _actions(self) -> list[Callable[[], None]]:
        return [action for action in super()._actions() if action != self._rot]

    def _send(self) -> None:
        count, number = self.random.choice((1, 1, 3, 10, 60)), self.random.randrange(PARTITIONS)
        colors = self.random.choices("rgbx", (20, 10, 68, 2), k=count)
        keys = self.random.choices((None, *_KEYS[number]), k=count)
        records = [
            Record(color.encode() + self.random.randbytes(20), key, {"color": color})
            for color, key in zip(colors, keys, strict=True)
        ]
        now_ms = self.clock.now_ms()
        batch = encode(records, shared=SHARED, born_ms=now_ms, producer_id=1, first_sequence=self.sequence)
        sent: list[Item] = [
            (make_id(now_ms, 1, self.sequence + place), record.message_key, record.data)
            for place, record in enumerate(records)
        ]
        self.sequence += len(records)
        self.promises.sending(sent)
        if self._try(lambda: self.store.runner.send([OutgoingBatch(QUEUE, number, batch)])):
            self.promises.sent(sent)


if __name__ == "__main__":
    sys.exit(main(kind=FilterRun, description=__doc__))
