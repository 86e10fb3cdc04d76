"""What a listener of an app costs over the same function on a bare push consumer: `python -m benchmarks.app`.

Both read the same messages from a store in memory, one at a time. The difference is the app's own: decoding and
checking a struct of five fields, the planned call, dependencies where there are any.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Annotated, Any

import msgspec

import openmessaging as oms

MESSAGES = 20_000
ROUNDS = 5
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


def main() -> None:
    kinds: dict[str, Callable[[str], Awaitable[float]]] = {
        "bare push consumer": bare,
        "app, five-field struct": lambda name: through_app(name, typed),
        "app, struct, message and a dependency": lambda name: through_app(name, with_dependency),
        "app, struct, rules for exceptions": lambda name: through_app(name, with_rules),
    }
    spent: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(ROUNDS):
        for number, (kind, run) in enumerate(kinds.items()):
            spent[kind].append(asyncio.run(run(f"bench-{turn}-{number}")) / MESSAGES * 1e6)  # type: ignore[arg-type]
    base = min(spent["bare push consumer"])
    for kind, times in spent.items():
        print(f"{kind:40} {min(times):7.2f} us a message, {min(times) - base:+6.2f} (median {median(times):.2f})")
    print(f"the bar: at most {BAR_US:g} us over the bare consumer")


if __name__ == "__main__":
    main()
