"""The blocking face: the same names as `openmessaging`, without `await`.

    from openmessaging import blocking as oms

    with oms.connect("oms:embedded://./orders") as access_point:
        ...

An access point also works without `with`: it opens on first use, `close()` ends it. Producers and consumers may be used
from many threads at once. On the embedded store every call goes straight through: there is no event loop.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint, connect
    from openmessaging.runtime.threads.extension import Extension
    from openmessaging.runtime.threads.prepared import TransactionalResult
    from openmessaging.runtime.threads.primitives import Future
    from openmessaging.runtime.threads.producer import Producer
    from openmessaging.runtime.threads.pull import PullConsumer
    from openmessaging.runtime.threads.push import PushConsumer
    from openmessaging.runtime.threads.received import ReceivedMessage
    from openmessaging.runtime.threads.requests import ReplyStream
    from openmessaging.runtime.threads.resources import ResourceManager
    from openmessaging.runtime.threads.router import Router
    from openmessaging.runtime.threads.service import ServiceEndpoint
    from openmessaging.runtime.threads.stream import StreamingConsumer, StreamingIterator
    from openmessaging.runtime.threads.table import LiveTable, Table
    from openmessaging.runtime.threads.transaction import Transaction

_WHERE = {
    "AccessPoint": "access_point",
    "Extension": "extension",
    "Future": "primitives",
    "LiveTable": "table",
    "Producer": "producer",
    "PullConsumer": "pull",
    "PushConsumer": "push",
    "ReceivedMessage": "received",
    "ReplyStream": "requests",
    "ResourceManager": "resources",
    "Router": "router",
    "ServiceEndpoint": "service",
    "StreamingConsumer": "stream",
    "StreamingIterator": "stream",
    "Table": "table",
    "Transaction": "transaction",
    "TransactionalResult": "prepared",
    "connect": "access_point",
}

__all__ = [
    "AccessPoint",
    "Extension",
    "Future",
    "LiveTable",
    "Producer",
    "PullConsumer",
    "PushConsumer",
    "ReceivedMessage",
    "ReplyStream",
    "ResourceManager",
    "Router",
    "ServiceEndpoint",
    "StreamingConsumer",
    "StreamingIterator",
    "Table",
    "Transaction",
    "TransactionalResult",
    "connect",
]


def __getattr__(name: str) -> Any:
    """Names of the face are loaded on first use; all others are those of `openmessaging`."""
    if name in _WHERE:
        value = getattr(importlib.import_module(f"openmessaging.runtime.threads.{_WHERE[name]}"), name)
        globals()[name] = value
        return value
    package = importlib.import_module("openmessaging")
    if not name.startswith("_") and name in package.__all__:
        return getattr(package, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
