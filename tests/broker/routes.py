"""Short calls for tests of routes on a store whose upkeep the test drives."""

from __future__ import annotations

from typing import Any

from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.model.replay import Delivery
from openmessaging.model.routing import Operator, Route, RouteInfo
from openmessaging.model.spi import OutgoingBatch
from tests.broker.stores import Client, records

ORDERS = "default://orders"


def full(name: str) -> str:
    return f"default://{name}"


def route(name: str, source: str, *targets: str, operators: tuple[Operator, ...] = (), **named: Any) -> Route:
    return Route(full(name), full(source), [full(target) for target in targets], list(operators), **named)


def add(client: Client, made: Route, start: str = "earliest") -> Route:
    client.admin.create_route(made, start)
    return made


def work(client: Client) -> None:
    """Until nothing more happens."""
    before = -1
    while before != (before := client.runner.storage.max_index()):
        client.store.maintenance.work(full_round=False)


def message(body: str, key: str | None = None, **properties: Any) -> Record:
    return Record(body.encode(), key, properties or None)


def lying(client: Client, queue: str, partition: int = 0) -> list[Delivery]:
    return client.admin.browse(full(queue), partition, 0, 100_000, None)


def found(client: Client, queue: str, partition: int = 0) -> list[Record]:
    return records(lying(client, queue, partition))


def texts(client: Client, queue: str, partition: int = 0) -> list[str]:
    return [record.data.decode() for record in found(client, queue, partition)]


def info(client: Client, name: str) -> RouteInfo:
    return client.admin.describe_route(full(name))


def keyed(client: Client, *sent: Record, partition: int | None = None, priority: int | None = None) -> None:
    """Send as a producer does that says in the header that there are keys."""
    first, client.sequence = client.sequence, client.sequence + len(sent)
    shared = encode_shared({"bornHost": "here"})
    now_ms = client.runner.clock.now_ms()
    batch = encode(sent, shared=shared, born_ms=now_ms, producer_id=7, first_sequence=first, attributes=4)
    client.runner.send([OutgoingBatch(ORDERS, partition, batch, priority)])
