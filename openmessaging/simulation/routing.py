"""Routes on a simulated disk that loses power in the middle of their steps: never half an effect, never two.

    python -m openmessaging.simulation.routing --seeds 400
    python -m openmessaging.simulation.routing --seed 17

A run sends orders, which routes take to two queues, a share of the red ones to a third with another key, and to queues
of routes that come and go; and lines, some of them twice, which a deduplicator takes to a queue that a route with a
function reads. Any step may meet a failing write, a failing sync, a power cut or a kill: before its entry is written,
in the middle, or right after. At every opening each target holds exactly what lies in the source below the place of its
route, the messages of a key in order; at the end, on a healed disk, everything has arrived once. The crashes that are
counted are those during or right after a step that had something to route.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import google_crc32c

from openmessaging.broker.admin import Admin
from openmessaging.broker.group import Group
from openmessaging.broker.store import open_store
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.batch import KEYED, Batch, decode, encode, encode_shared
from openmessaging.model.message import Message, Record
from openmessaging.model.routing import Assign, Deduplicate, Filter, Operator, Route, Sample, Transform
from openmessaging.model.spi import Backoff, GroupConfig, OutgoingBatch, SubscriptionSpec
from openmessaging.routing.steps import hashed
from openmessaging.runtime import wall
from openmessaging.runtime.lease import leased
from openmessaging.runtime.threads.received import ReceivedMessage, received
from openmessaging.runtime.threads.router import Serving
from openmessaging.simulation import crashes
from openmessaging.simulation.transactions import OPTIONS, ROOT, TransactionRun

ORDERS, LINES, LEFT, RIGHT, RED, ONCE, MADE = (
    f"default://{name}" for name in ("orders", "lines", "left", "right", "red", "once", "made")
)
_PARTITIONS = {ORDERS: 2, LINES: 2, LEFT: 2, RIGHT: 3, RED: 1, ONCE: 2, MADE: 2}
_SHARE = 0.5
_SHARED = encode_shared({"bornHost": "simulation"})
Stored = tuple[str, str | None]
"""Name and key of a message."""


def _route(name: str, source: str, targets: Sequence[str], *operators: Operator) -> Route:
    return Route(f"default://{name}", source, list(targets), list(operators), backoff=Backoff(initial=1, maximum=2))


BOTH = _route("both", ORDERS, [LEFT, RIGHT])
SOME = _route(
    "some", ORDERS, [RED], Filter("color = 'r'"), Sample(_SHARE, "key"), Assign({"header.messageKey": "color"})
)
DISTINCT = _route("distinct", LINES, [ONCE], Deduplicate(1e6))
MAKE = _route("make", ONCE, [MADE], Transform("shout"))


class RoutingRun(TransactionRun):
    """One seed."""

    _driver: BlockingEmbeddedDriver

    def __init__(self, seed: int) -> None:
        self._extra: Route | None = None  # the route that comes and goes, as far as known
        self._sent: dict[str, tuple[str, str]] = {}  # orders: key and colour by name
        self._lines: list[tuple[int, Record]] = []
        self._inside = False  # whether something is being routed
        super().__init__(seed)

    def run(self, steps: int = 60) -> str:
        """Random steps, then heal and finish; returns the hash of the disk's trace."""
        usual, wall.time_ns = wall.time_ns, lambda: self.clock.now_ms() * 1_000_000
        try:
            actions: list[Callable[[], None]] = (
                [self._order] * 5 + [self._line_up] * 5 + [self._step] * 12 + [self._stop_short] * 3 + [self._make] * 6
                + [self._come_or_go] * 3 + [self._wait] + [self._upkeep] * 2
            )  # fmt: skip
            for _ in range(steps):
                self.random.choice(actions)()
            self._finish()
        finally:
            wall.time_ns = usual
        return self.disk.trace_hash()

    # ---- what happens ------------------------------------------------------------------------------------------------

    def _order(self) -> None:
        """Some orders, in one batch of a partition, as a producer sends them."""
        by_partition: dict[int, list[Record]] = {}
        for _ in range(self.random.choice((1, 3, 12))):
            name, key, color = self._name("order"), self.random.choice("abc"), self.random.choice("rb")
            self._sent[name] = key, color
            number = google_crc32c.value(key.encode()) % _PARTITIONS[ORDERS]
            record = Record(self._body(name), key, {"color": color})
            by_partition.setdefault(number, []).append(record)
        batches = [OutgoingBatch(ORDERS, number, self._keyed(of)) for number, of in sorted(by_partition.items())]
        self._faulty(lambda: self.store.runner.send(batches))

    def _line_up(self) -> None:
        """A line of a file, or one of the last ones again under its old id."""
        if self._lines and self.random.random() < 0.4:
            first, record = self.random.choice(self._lines[-5:])
        else:
            first, record = self._numbers, Record(self._body(self._name("line")))
            self._lines.append((first, record))
        batch = encode([record], shared=_SHARED, born_ms=1_000, producer_id=2, first_sequence=first)
        self._faulty(lambda: self.store.runner.send([OutgoingBatch(LINES, None, batch)]))

    def _step(self) -> None:
        """Upkeep takes the routes further."""
        self._inside = self._lags()
        self._faulty(self._work)
        self._inside = False

    def _work(self) -> None:
        self.clock.advance(1)  # a route that failed is tried again
        self.store.maintenance.work(full_round=False)
        if self.store.runner.committer.failure is not None:
            raise self.store.runner.committer.failure

    def _stop_short(self) -> None:
        """The routes go on, and the power goes before anybody has synced that."""
        self._inside = self._lags()
        self.store.maintenance.router.run()
        self._crash()
        self._inside = False

    def _lags(self) -> bool:
        return any(info.lag for info in self._driver.list_routes("default") if not info.route.functions)

    def _make(self) -> None:
        """The process that has the function works on some messages; sometimes for longer than their lease."""
        messages = self._received(self.random.choice((1, 4)))
        if not messages:
            return
        if self.random.random() < 0.1:
            self.clock.advance(40)
        serving = Serving(self._driver, MAKE, {"shout": _shout}, [_PARTITIONS[MADE]])
        self._inside = True
        self._faulty(lambda: serving.serve(messages, None), expected=1418)
        self._inside = False

    def _received(self, count: int) -> list[ReceivedMessage]:
        spec = SubscriptionSpec(ONCE, MAKE.group, GroupConfig(order="key"))
        subscription = self._driver.subscribe(spec)
        deliveries = subscription.fetch(count, 1 << 20, 0)
        return [
            message for lease, delivery in leased(subscription, deliveries) for message in received(lease, delivery)
        ]

    def _come_or_go(self) -> None:
        """A route is removed, or another one is added, which begins with the first message."""
        admin = Admin(self.store.runner)
        route = self._extra
        if route is not None:
            self._faulty(lambda: admin.delete_route(route.name), expected=1404)
        else:
            made = self._extra = _route(name := self._name("extra"), ORDERS, [f"default://{name}"])
            self._faulty(lambda: admin.create_route(made, "earliest"))
        if self._extra is not None and self._extra.name not in self.store.runner.engine.routes.by_name:
            self._extra = None

    def _crash(self) -> None:
        before = self.crashes
        super()._crash()
        if not self._inside:
            self.crashes = before

    # ---- the store ---------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self.store = open_store(ROOT, OPTIONS, disk=self.disk, clock=self.clock, chance=self.random, upkeep=False)
        self._driver = BlockingEmbeddedDriver(self.store, lambda: None)
        if self._extra is not None and self._extra.name not in self.store.runner.engine.routes.by_name:
            self._extra = None

    def _create(self) -> None:
        for queue, partitions in _PARTITIONS.items():
            self._driver.create_queue(queue, partitions, {"retention": "keep"})
        for route in (BOTH, SOME, DISTINCT, MAKE):
            self._driver.create_route(route, "earliest")

    def _body(self, name: str) -> bytes:
        return name.encode() + b" " * self.random.choice((0, 0, 100, 2_000))

    def _keyed(self, records: Sequence[Record]) -> Batch:
        first, self._numbers = self._numbers, self._numbers + len(records)
        now_ms = self.clock.now_ms()
        return encode(records, shared=_SHARED, born_ms=now_ms, producer_id=1, first_sequence=first, attributes=KEYED)

    # ---- verdicts ----------------------------------------------------------------------------------------------------

    def _check(self) -> dict[str, bool]:
        """What lies in the targets is what their routes have read, no less and no more."""
        orders = self._read(ORDERS, BOTH)
        self._expect(LEFT, orders)
        self._expect(RIGHT, orders)
        self._expect(RED, [(name, color) for name, key, color in self._chosen(self._read(ORDERS, SOME))])
        lines = dict.fromkeys(self._read(LINES, DISTINCT))
        self._expect(ONCE, list(lines))
        self._expect(MADE, [(name.upper(), key) for name, key in self._settled(ONCE, MAKE)])
        if self._extra is not None:
            self._expect(self._extra.targets[0], self._read(ORDERS, self._extra))
        return {}

    def _chosen(self, orders: Sequence[Stored]) -> list[tuple[str, str, str]]:
        found = [(name, *self._sent[name]) for name, _ in orders]
        return [each for each in found if each[2] == "r" and hashed(each[1]) < _SHARE]

    def _expect(self, queue: str, expected: Sequence[Stored]) -> None:
        stored = self._stored(queue)
        found = [each for _, members in stored for each in members]
        assert sorted(found, key=str) == sorted(expected, key=str), (
            f"{queue}: too many {_more(found, expected)}, missing {_more(expected, found)}"
        )
        for _, members in stored:
            for key in {key for _, key in members if key is not None}:
                numbers = [int(name.rpartition("-")[2]) for name, of in members if of == key]
                assert numbers == sorted(numbers), f"{queue}: the messages of {key} lie in another order"

    def _read(self, queue: str, route: Route) -> list[Stored]:
        """What lies in a source below the place of a route that settles in order."""
        group = self._group(queue, route)
        stored = self._stored(queue)
        return [
            each for cursor, (_, members) in zip(group.cursors, stored, strict=True) for each in members[: cursor.next]
        ]

    def _settled(self, queue: str, route: Route) -> list[Stored]:
        """What of a source a route has settled, in whatever order."""
        found: list[Stored] = []
        for cursor, (_, members) in zip(self._group(queue, route).cursors, self._stored(queue), strict=True):
            open_offsets = {offset for start, end in cursor.unsettled() for offset in range(start, end)}
            found += [each for at, each in enumerate(members[: cursor.next]) if at not in open_offsets]
        return found

    def _group(self, queue: str, route: Route) -> Group:
        group = self.store.runner.engine.group(queue, route.group)
        assert group.is_route
        return group

    def _stored(self, queue: str) -> list[tuple[int, list[Stored]]]:
        """The messages of each partition, in order."""
        admin = Admin(self.store.runner)
        found: list[tuple[int, list[Stored]]] = []
        for number in range(len(self.store.runner.engine.queue(queue).partitions)):
            members: list[Stored] = []
            while deliveries := admin.browse(queue, number, len(members), 1_000, None):
                for delivery in deliveries:
                    records = decode(delivery.data)[2][delivery.first : delivery.last]
                    members += [(record.data.decode().rstrip(), record.message_key) for record in records]
            found.append((number, members))
        return found

    def _finish(self) -> None:
        """No more faults: everything arrives."""
        self._crash()
        self._faulty = self._calmly  # type: ignore[method-assign]
        for _ in range(1_000):
            self._work()
            self._make()
            infos = self._driver.list_routes("default")
            if not any(info.lag for info in infos):
                break
            assert not any(info.trouble for info in infos), infos
            self.clock.advance(3)
        else:
            raise AssertionError("routing does not come to an end")
        self._check()
        assert not any(info.dead for info in infos)


def _shout(message: Message) -> bytes:
    return message.data.upper()


def _more(these: Sequence[Stored], those: Sequence[Stored]) -> list[Stored]:
    left = list(those)
    found = []
    for each in these:
        if each in left:
            left.remove(each)
        else:
            found.append(each)
    return found


def run_seed(seed: int) -> tuple[str, RoutingRun | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    return crashes.run_seed(RoutingRun, seed)


def main(arguments: list[str] | None = None) -> int:
    """Run seeds; returns the exit code: 1 when an effect was halved, doubled or lost."""
    return crashes.run_seeds(RoutingRun, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
