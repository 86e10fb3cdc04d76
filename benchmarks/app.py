"""What a listener of an app costs over the same function on a bare push consumer: `python -m benchmarks.app`.

Both read the same messages from a store in memory, one at a time. The difference is the app's own: decoding and
checking a struct of five fields, the planned call, dependencies where there are any.

The contenders take turns, each round in another order, so that a machine that slows down slows all of them. The bar is
held by medians: the median of the differences within the rounds. The least of the rounds is what a quiet machine shows.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Coroutine
from statistics import median
from typing import Annotated, Any

import msgspec

import openmessaging as oms

MESSAGES = 10_000
ROUNDS = 11
BAR_US = 15.0


class Order(msgspec.Struct):
    number: int
    customer: str
    item: str
    quantity: int
    price: float


BODY = msgspec.json.encode(Order(1, "alice", "pizza", 2, 9.5))


class Count:
    """Tells when all messages have been seen, and how long that took."""

    def __init__(self) -> None:
        self.left = MESSAGES
        self.done = asyncio.Event()

    def one(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()


async def fill(access_point: oms.AccessPoint) -> None:
    async with access_point.create_producer() as producer:
        await producer.send([producer.create_message("orders", BODY) for _ in range(MESSAGES)])


async def bare(name: str) -> float:
    """Seconds for all messages."""
    count = Count()

    async def listener(message: oms.Message, context: oms.ListenerContext) -> None:
        count.one()

    async with oms.connect(f"oms:memory:{name}") as access_point:
        await fill(access_point)
        consumer = access_point.create_push_consumer("billing", concurrency=1)
        await consumer.bind_queue("orders", listener)
        begun = time.perf_counter()
        async with consumer:
            await count.done.wait()
            return time.perf_counter() - begun


async def through_app(name: str, declare: Callable[[oms.App, Count], None]) -> float:
    """Seconds for all messages."""
    count = Count()
    app = oms.App(f"oms:memory:{name}")
    declare(app, count)
    async with oms.connect(app.url) as access_point:
        await fill(access_point)
        begun = time.perf_counter()
        async with app:
            await count.done.wait()
            return time.perf_counter() - begun


def typed(app: oms.App, count: Count) -> None:
    @app.listener("orders", group="billing", concurrency=1)
    async def bill(order: Order) -> None:
        count.one()


def with_dependency(app: oms.App, count: Count) -> None:
    def settings() -> dict[str, Any]:
        return {}

    @app.listener("orders", group="billing", concurrency=1)
    async def bill(order: Order, message: oms.Message, given: Annotated[dict[str, Any], oms.Depends(settings)]) -> None:
        count.one()


def with_rules(app: oms.App, count: Count) -> None:
    @app.listener("orders", group="billing", concurrency=1, on_error={KeyError: oms.Reject})
    async def bill(order: Order) -> None:
        count.one()


def main() -> int:
    kinds: dict[str, Callable[[str], Coroutine[Any, Any, float]]] = {
        "bare push consumer": bare,
        "app, five-field struct": lambda name: through_app(name, typed),
        "app, struct, message and a dependency": lambda name: through_app(name, with_dependency),
        "app, struct, rules for exceptions": lambda name: through_app(name, with_rules),
    }
    spent: dict[str, list[float]] = {kind: [] for kind in kinds}
    names = list(kinds)
    for turn in range(ROUNDS + 1):
        for kind in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()
            taken = asyncio.run(kinds[kind](f"bench-{turn}-{names.index(kind)}")) / MESSAGES * 1e6
            if turn:  # the first round warms up
                spent[kind].append(taken)
    print(f"{'us a message':40} {'median':>8} {'least':>8}   over the bare consumer: median, least of the rounds")
    base = spent["bare push consumer"]
    over = 0.0
    for kind, times in spent.items():
        differences = [mine - bare for mine, bare in zip(times, base, strict=True)]
        line = f"{kind:40} {median(times):8.2f} {min(times):8.2f}"
        print(line if times is base else f"{line}   {median(differences):+21.2f} {min(times) - min(base):+6.2f}")
        over = max(over, median(differences))
    print(f"the bar: at most {BAR_US:g} us over the bare consumer by medians; the most is {over:+.2f}")
    return over > BAR_US


if __name__ == "__main__":
    sys.exit(main())
