"""Transactions on a simulated disk that loses power in the middle of them: never half an effect, never two.

    python -m openmessaging.simulation.transactions --seeds 400
    python -m openmessaging.simulation.transactions --seed 17

A run takes messages and writes what they say to two queues in the transaction that acknowledges them, prepares
messages and decides on them, and sends with numbers of a named producer and with keys. Any of these calls may meet a
failing write, a failing sync, a power cut or a kill: before the entry is written, in the middle, or right after. Every
opening is checked against `effects`; at the end, on a healed disk, each message has had its effect exactly once.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

from openmessaging.broker.admin import Admin
from openmessaging.broker.group import Group
from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.broker.transactions import Settled
from openmessaging.broker.transactor import Transactor
from openmessaging.model.batch import Batch, decode, encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException, OMSTransactionException
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, Delivery, GroupConfig, OutgoingBatch, SubscriptionSpec
from openmessaging.model.transaction import Preparation, TransactionCheck
from openmessaging.model.unique import ProducerEpoch, Unique
from openmessaging.simulation import crashes
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.simulation.effects import Effects

ROOT = "/store"
OPTIONS = StoreOptions(segment_bytes=64 * 1024)
SOURCE, LEFT, RIGHT, BANK, LINES, ORDERS = (
    f"default://{name}" for name in ("source", "left", "right", "bank", "lines", "orders")
)
TARGETS = (LEFT, RIGHT, BANK, LINES, ORDERS)
CONFIG = GroupConfig(invisible_time=20, backoff=Backoff(initial=1, maximum=2, max_delivery=1_000))
CHECKS = TransactionCheck(first=5, interval=5, limit=1_000)
_SHARED = encode_shared({"bornHost": "simulation"})


class TransactionRun:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation
        self.clock = SimulatedClock()
        self.disk = SimulatedDisk(self.random, capacity_bytes=1 << 40, delay=self.clock.advance)
        self.effects = Effects()
        self.crashes = 0
        """How often the power went, or the process died, inside or right after a call."""
        self._numbers = 0
        self._intended: dict[str, bool] = {}
        self._unsent: list[tuple[str, Unique]] = []  # sends of the named producer and by key, not known to be done
        self._line = 0
        self.store: Store
        self.group: Group
        self.transactor: Transactor
        self.producer: ProducerEpoch
        self._open()
        self._create()

    def run(self, steps: int = 60) -> str:
        """Random steps, then heal and finish; returns the hash of the disk's trace."""
        actions: list[Callable[[], None]] = (
            [self._feed] * 4 + [self._transform] * 12 + [self._prepare] * 4 + [self._decide] * 5 + [self._import] * 5
            + [self._order] * 4 + [self._wait] * 2 + [self._upkeep] * 2
        )  # fmt: skip
        for _ in range(steps):
            self.random.choice(actions)()
        self._finish()
        return self.disk.trace_hash()

    # ---- what applications do --------------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Messages to work on."""
        names = [self._name("work") for _ in range(self.random.choice((1, 3)))]
        self._faulty(lambda: self.store.runner.send([OutgoingBatch(SOURCE, None, self._batch(*names))]))

    def _transform(self) -> None:
        """Take some messages, and do their work: acknowledgements and results of several are one transaction."""
        held = self._receive(self.random.choice((1, 2, 5)))
        if not held:
            return
        names = [name for name, _ in held]
        for name in names:
            self.effects.begin(name, (LEFT, RIGHT))
        batches = [OutgoingBatch(queue, None, self._batch(*names)) for queue in (LEFT, RIGHT)]
        settled = [settlement for _, settlement in held]
        if self.random.random() < 0.1:
            self.clock.advance(25)  # the leases are over: the commit must be refused as a whole
        if self._faulty(lambda: self.transactor.commit(batches, settled), expected=1418):
            for name in names:
                self.effects.done(name)

    def _prepare(self) -> None:
        """Prepare a message; whether its transaction goes well is drawn now."""
        name = self._name("pay")
        self._intended[name] = self.random.random() < 0.6
        self.effects.begin(name, (BANK,))
        batch = OutgoingBatch(BANK, None, self._batch(name))
        self._faulty(lambda: self.transactor.prepare(Preparation(batch, name, "bank", CHECKS)))

    def _decide(self) -> None:
        """Decide on a prepared message, perhaps on one that was decided before."""
        if self._intended:
            self._end(self.random.choice(list(self._intended)))

    def _end(self, name: str) -> None:
        commit = self._intended[name]
        try:
            done = self._faulty(lambda: self.transactor.end(name, commit))
        except OMSTransactionException as failure:
            if "not known" not in failure.reason:  # else its prepare was lost
                raise
            del self._intended[name]
            return self.effects.undone(name)
        if done:
            (self.effects.done if commit else self.effects.undone)(name)
        return None

    def _import(self) -> None:
        """The next line of a file, by its number; what is not known to be stored is sent again first."""
        self._send_again()
        name = f"line-{self._line}"
        self._once(LINES, name, Unique(self.producer.name, self.producer.epoch, self._line))
        self._line += 1

    def _order(self) -> None:
        """A message with a key."""
        self._send_again()
        name = self._name("order")
        self._once(ORDERS, name, Unique(key=name))

    def _once(self, queue: str, name: str, unique: Unique) -> None:
        self.effects.begin(name, (queue,))
        self._unsent.append((queue, unique))
        self._send_again()
        if self.random.random() < 0.2:  # and once more, although it was stored
            batch = OutgoingBatch(queue, None, self._batch(name), unique=unique)
            self._faulty(lambda: self.transactor.commit([batch], []), expected=1409)

    def _send_again(self) -> None:
        for _ in range(3):
            for queue, unique in list(self._unsent):
                if unique.producer is not None:
                    unique = Unique(unique.producer, self.producer.epoch, unique.sequence)
                name = unique.key or f"line-{unique.sequence}"
                batch = OutgoingBatch(queue, None, self._batch(name), unique=unique)
                if not self._faulty(lambda batch=batch: self.transactor.commit([batch], [])):  # type: ignore[misc]
                    break
                self.effects.done(name)
                self._unsent.pop(0)

    def _wait(self) -> None:
        self.clock.advance(self.random.choice((1.0, 6.0, 30.0)))

    def _upkeep(self) -> None:
        if self.random.random() < 0.5:
            self._faulty(self.store.maintenance.snapshot)
        self._faulty(lambda: self.store.maintenance.work(full_round=True))

    # ---- crashes -----------------------------------------------------------------------------------------------------

    def _faulty(self, call: Callable[[], object], *, expected: int = 0) -> bool:
        """Make a call that may meet a crash; whether it returned. `expected`: a refusal that is no fault."""
        kind = self.random.random()
        if kind < 0.15:
            self.disk.fail_write_in = self.random.randrange(1, 3)
        elif kind < 0.25:
            self.disk.fail_sync_in = 1
        returned = True
        try:
            call()
        except OMSRuntimeException as failure:
            if failure.code not in (1501, expected):
                raise
            returned = False
            if failure.code == 1501:
                self._crash()
        self.disk.fail_write_in = self.disk.fail_sync_in = 0
        if 0.25 <= kind < 0.35:
            self._crash()
        return returned

    def _crash(self) -> None:
        """The power goes, or only the process, and the store is opened again."""
        self.crashes += 1
        if self.random.random() < 0.8:
            self.disk.crash()
        else:
            self.disk.kill()
        self._open()
        self._check()

    def _open(self) -> None:
        self.store = open_store(ROOT, OPTIONS, disk=self.disk, clock=self.clock, chance=self.random, upkeep=False)
        self.transactor = Transactor(self.store.runner)
        self.group = Admin(self.store.runner).join(SubscriptionSpec(SOURCE, "workers", CONFIG))
        self.producer = self.transactor.open_producer("importer")

    def _create(self) -> None:
        admin = Admin(self.store.runner)
        admin.create_queue(ORDERS, 2, {"deduplication_window": 1_000_000, "retention": "keep"})
        for queue in (LEFT, RIGHT, BANK, LINES):
            admin.create_queue(queue, 2, {"retention": "keep"})

    # ---- verdicts ----------------------------------------------------------------------------------------------------

    def _check(self) -> dict[str, bool]:
        return self.effects.check({queue: self._bodies(queue) for queue in TARGETS})

    def _finish(self) -> None:
        """No more faults: everything is worked off, decided and sent, and had its effect exactly once."""
        self._crash()
        self._faulty = self._calmly  # type: ignore[method-assign]
        self._send_again()
        assert not self._unsent, "a send that is made again and again does not get through"
        self._answer_checks()
        for name in list(self._intended):
            self._end(name)
        for _ in range(1_000):
            self._transform()
            if not Admin(self.store.runner).describe_group(SOURCE, "workers").lag:
                break
            self.clock.advance(3)
        else:
            raise AssertionError("the work does not come to an end")
        had = self._check()
        for name, queues in self.effects.queues.items():
            if queues == (BANK,):
                assert had[name] == self.effects.certain[name], f"{name} was decided otherwise"
            else:
                assert had[name], f"{name} never had its effect"

    def _calmly(self, call: Callable[[], object], *, expected: int = 0) -> bool:
        try:
            call()
        except OMSRuntimeException as failure:
            if failure.code != expected:
                raise
            return False
        return True

    def _answer_checks(self) -> None:
        """The producer is asked about all that is in doubt, and answers as its books say."""
        waiting = {each.transaction_id for each in self.transactor.in_doubt()}
        self.clock.advance(10)
        asked = {each.transaction_id for each in self.transactor.checks("bank", 1_000)}
        assert asked == waiting, f"not asked about {waiting - asked}"
        for name in sorted(asked):
            self._end(name)
        assert not self.transactor.in_doubt()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _name(self, kind: str) -> str:
        self._numbers += 1
        return f"{kind}-{self._numbers}"

    def _batch(self, *names: str) -> Batch:
        first, self._numbers = self._numbers, self._numbers + len(names)
        padding = b" " * self.random.choice((0, 0, 100, 2_000))
        records = [Record(name.encode() + padding) for name in names]
        return encode(
            records,
            shared=_SHARED,
            born_ms=self.clock.now_ms(),
            producer_id=1,
            first_sequence=first,
        )

    def _receive(self, count: int) -> list[tuple[str, Settled]]:
        found: list[tuple[str, Settled]] = []
        had = self._check()
        for delivery in self.store.runner.receive(self.group, count, 1 << 20, None) or ():
            for offset, name in _names(delivery):
                assert not had.get(name), f"{name} comes again, although its work was done"
                found.append((name, Settled(self.group.id, delivery.lease_id, [offset])))
        return found

    def _bodies(self, queue: str) -> list[str]:
        admin, found = Admin(self.store.runner), []
        for number in range(2):
            offset = 0
            while deliveries := admin.browse(queue, number, offset, 1_000, None):
                for delivery in deliveries:
                    found += [name for _, name in _names(delivery)]
                    offset = delivery.base_offset + delivery.last
        return found


def _names(delivery: Delivery) -> list[tuple[int, str]]:
    records = decode(delivery.data)[2]
    return [
        (delivery.base_offset + place, records[place].data.decode().rstrip())
        for place in range(delivery.first, delivery.last)
    ]


def run_seed(seed: int) -> tuple[str, TransactionRun | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    return crashes.run_seed(TransactionRun, seed)


def main(arguments: list[str] | None = None) -> int:
    """Run seeds; returns the exit code: 1 when an effect was halved, doubled or lost."""
    return crashes.run_seeds(TransactionRun, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
