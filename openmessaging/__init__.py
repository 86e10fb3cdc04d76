"""OpenMessaging for Python: durable messaging in one import, the same code on an embedded store or a broker.

    import openmessaging as oms

    async with oms.connect("oms:embedded://./orders") as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"..."))

`openmessaging.blocking` has the same names for threads. Everything here is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmessaging import blocking, routing, testing
    from openmessaging.app.application import App
    from openmessaging.app.codec import Codec, JsonCodec, MessagePackCodec
    from openmessaging.app.dependency import Depends
    from openmessaging.model import (
        KeyValue,
        Message,
        OMSDestinationException,
        OMSMessageFormatException,
        OMSRuntimeException,
        OMSSecurityException,
        OMSTimeOutException,
        OMSTransactionException,
        OMSUnsupportException,
    )
    from openmessaging.model.cloud_event import CloudEvent, from_cloudevent, to_cloudevent
    from openmessaging.model.mail import ServiceInfo
    from openmessaging.model.replay import CopyInfo
    from openmessaging.model.schedule import ScheduleInfo
    from openmessaging.model.signature import verify_callback
    from openmessaging.model.spi import Backoff, Capability, DelayedInfo, Durability, GroupConfig, GroupInfo, QueueInfo
    from openmessaging.model.transaction import TransactionCheck
    from openmessaging.runtime.aio.access_point import AccessPoint, connect
    from openmessaging.runtime.aio.extension import Extension
    from openmessaging.runtime.aio.prepared import TransactionalResult
    from openmessaging.runtime.aio.primitives import Future
    from openmessaging.runtime.aio.producer import Producer
    from openmessaging.runtime.aio.pull import PullConsumer
    from openmessaging.runtime.aio.push import PushConsumer
    from openmessaging.runtime.aio.received import ReceivedMessage
    from openmessaging.runtime.aio.requests import ReplyStream
    from openmessaging.runtime.aio.resources import ResourceManager
    from openmessaging.runtime.aio.router import Router
    from openmessaging.runtime.aio.service import ServiceEndpoint
    from openmessaging.runtime.aio.stream import StreamingConsumer, StreamingIterator
    from openmessaging.runtime.aio.table import LiveTable, Table
    from openmessaging.runtime.aio.transaction import Transaction
    from openmessaging.runtime.context import ListenerContext
    from openmessaging.runtime.interceptor import ConsumerInterceptor, InterceptContext, ProducerInterceptor
    from openmessaging.runtime.metadata import QueueMetaData
    from openmessaging.runtime.prepared import TransactionStateCheckContext, TransactionStateCheckListener
    from openmessaging.runtime.receipt import MessageReceipt
    from openmessaging.runtime.result import RedriveReport, SendResult
    from openmessaging.runtime.rpc import OMSRemoteException, Replies, Request
    from openmessaging.runtime.state import ServiceState, TransactionState
    from openmessaging.runtime.verdict import Reject, Retry

_WHERE = {
    "AccessPoint": "runtime.aio.access_point",
    "App": "app.application",
    "Backoff": "model.spi",
    "Capability": "model.spi",
    "CloudEvent": "model.cloud_event",
    "Codec": "app.codec",
    "ConsumerInterceptor": "runtime.interceptor",
    "CopyInfo": "model.replay",
    "DelayedInfo": "model.spi",
    "Depends": "app.dependency",
    "Durability": "model.spi",
    "Extension": "runtime.aio.extension",
    "Future": "runtime.aio.primitives",
    "GroupConfig": "model.spi",
    "GroupInfo": "model.spi",
    "InterceptContext": "runtime.interceptor",
    "JsonCodec": "app.codec",
    "KeyValue": "model.key_value",
    "ListenerContext": "runtime.context",
    "LiveTable": "runtime.aio.table",
    "Message": "model.message",
    "MessagePackCodec": "app.codec",
    "MessageReceipt": "runtime.receipt",
    "OMSDestinationException": "model.errors",
    "OMSMessageFormatException": "model.errors",
    "OMSRemoteException": "runtime.rpc",
    "OMSRuntimeException": "model.errors",
    "OMSSecurityException": "model.errors",
    "OMSTimeOutException": "model.errors",
    "OMSTransactionException": "model.errors",
    "OMSUnsupportException": "model.errors",
    "Producer": "runtime.aio.producer",
    "ProducerInterceptor": "runtime.interceptor",
    "PullConsumer": "runtime.aio.pull",
    "PushConsumer": "runtime.aio.push",
    "QueueInfo": "model.spi",
    "QueueMetaData": "runtime.metadata",
    "ReceivedMessage": "runtime.aio.received",
    "RedriveReport": "runtime.result",
    "Reject": "runtime.verdict",
    "Replies": "runtime.rpc",
    "ReplyStream": "runtime.aio.requests",
    "Request": "runtime.rpc",
    "ResourceManager": "runtime.aio.resources",
    "Retry": "runtime.verdict",
    "Router": "runtime.aio.router",
    "ScheduleInfo": "model.schedule",
    "SendResult": "runtime.result",
    "ServiceEndpoint": "runtime.aio.service",
    "ServiceInfo": "model.mail",
    "ServiceState": "runtime.state",
    "StreamingConsumer": "runtime.aio.stream",
    "StreamingIterator": "runtime.aio.stream",
    "Table": "runtime.aio.table",
    "Transaction": "runtime.aio.transaction",
    "TransactionCheck": "model.transaction",
    "TransactionState": "runtime.state",
    "TransactionStateCheckContext": "runtime.prepared",
    "TransactionStateCheckListener": "runtime.prepared",
    "TransactionalResult": "runtime.aio.prepared",
    "connect": "runtime.aio.access_point",
    "from_cloudevent": "model.cloud_event",
    "to_cloudevent": "model.cloud_event",
    "verify_callback": "model.signature",
}

__all__ = [
    "AccessPoint",
    "App",
    "Backoff",
    "Capability",
    "CloudEvent",
    "Codec",
    "ConsumerInterceptor",
    "CopyInfo",
    "DelayedInfo",
    "Depends",
    "Durability",
    "Extension",
    "Future",
    "GroupConfig",
    "GroupInfo",
    "InterceptContext",
    "JsonCodec",
    "KeyValue",
    "ListenerContext",
    "LiveTable",
    "Message",
    "MessagePackCodec",
    "MessageReceipt",
    "OMSDestinationException",
    "OMSMessageFormatException",
    "OMSRemoteException",
    "OMSRuntimeException",
    "OMSSecurityException",
    "OMSTimeOutException",
    "OMSTransactionException",
    "OMSUnsupportException",
    "Producer",
    "ProducerInterceptor",
    "PullConsumer",
    "PushConsumer",
    "QueueInfo",
    "QueueMetaData",
    "ReceivedMessage",
    "RedriveReport",
    "Reject",
    "Replies",
    "ReplyStream",
    "Request",
    "ResourceManager",
    "Retry",
    "Router",
    "ScheduleInfo",
    "SendResult",
    "ServiceEndpoint",
    "ServiceInfo",
    "ServiceState",
    "StreamingConsumer",
    "StreamingIterator",
    "Table",
    "Transaction",
    "TransactionCheck",
    "TransactionState",
    "TransactionStateCheckContext",
    "TransactionStateCheckListener",
    "TransactionalResult",
    "blocking",
    "connect",
    "from_cloudevent",
    "routing",
    "testing",
    "to_cloudevent",
    "verify_callback",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name in _WHERE:
        value = getattr(importlib.import_module(f"openmessaging.{_WHERE[name]}"), name)
    elif name in ("blocking", "routing", "testing"):
        value = importlib.import_module(f"openmessaging.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
