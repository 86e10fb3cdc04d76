"""The two ways to a cluster: the client's connections, and the administration over HTTP; what their errors mean."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import pulsar

from openmessaging.model.errors import OMSRuntimeException, error

CONNECT_WITHIN = 5.0
ANSWER_WITHIN = 10.0
"""Seconds for an answer of the administration, and for the client's own operations."""
T = TypeVar("T")
_CODES = {
    "TopicNotFound": (1404, "Create it, or let the first use do so: attribute auto_create"),
    "SubscriptionNotFound": (1404, "It is made by its first consumer"),
    "MessageTooBig": (1413, "Send less, or let the servers take more: maxMessageSize"),
    "AuthenticationError": (1401, "Check the attribute ACCOUNT_KEY: a token"),
    "AuthorizationError": (1403, "Ask for the right to this topic"),
    "Timeout": (1504, "Send it again; it may have been stored"),
    "ConsumerBusy": (1418, "All consumers of a group have the same order: close the others first"),
    "ProducerQueueIsFull": (1502, "Send less at once"),
    "MemoryBufferIsFull": (1502, "Send less at once"),
    "ProducerBlockedQuotaExceededException": (1502, "Let consumers catch up, or allow a longer backlog"),
    "ProducerBlockedQuotaExceededError": (1502, "Let consumers catch up, or allow a longer backlog"),
    "TopicTerminated": (1418, "The topic was ended: use another"),
    "InvalidTopicName": (1418, "Use another name"),
}
_UNREACHABLE = (1503, "Check that the brokers run and can be reached")


class Address(msgspec.Struct, frozen=True):
    """Where a cluster is, and what it is shown."""

    brokers: str
    """Hosts with ports, separated by commas."""
    admin: str
    """URL without a slash at the end."""
    tenant: str
    key: Callable[[], str]
    tls: ssl.SSLContext | None = None
    authority: str | None = None


class Link:
    """A client of the cluster. Its calls block, so they are made in threads of its own."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="oms-pulsar")
        key = address.key()
        self.client = pulsar.Client(
            f"pulsar{'+ssl' if address.tls else ''}://{address.brokers}",
            authentication=pulsar.AuthenticationToken(address.key) if key else None,
            operation_timeout_seconds=int(ANSWER_WITHIN),
            connection_timeout_ms=int(CONNECT_WITHIN * 1000),
            tls_trust_certs_file_path=address.authority,
            tls_validate_hostname=True,
            logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull),
        )

    async def call(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call the client in a thread. Raises OMSRuntimeException for its errors."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: function(*arguments, **options))
        except pulsar.PulsarException as failure:
            raise translated(failure) from failure

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the administration; its answer's JSON, None for an empty one. Raises OMSRuntimeException with the
        standard's codes: 1404 for what is not there, 1406 for what is."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._admin, method, path, body)

    def _admin(self, method: str, path: str, body: Any) -> Any:
        url = f"{self.address.admin}/admin/v2/{path}"
        request = urllib.request.Request(url, method=method)  # noqa: S310 - the user's own URL
        key = self.address.key()
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_WITHIN, context=self.address.tls) as answer:  # noqa: S310
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as failure:
            raise refused(failure.code, failure.read().decode(errors="replace")) from failure
        except OSError as failure:
            step = "Check the attribute admin, and that the administration can be reached"
            raise error(1503, f"{self.address.admin}: {failure}", next_step=step) from failure

    async def close(self) -> None:
        """Hang up."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self.client.shutdown)
        self._threads.shutdown(wait=False)


def refused(status: int, text: str) -> OMSRuntimeException:
    """What an answer of the administration means."""
    try:
        reason = str(json.loads(text)["reason"])
    except (ValueError, KeyError, TypeError):
        reason = text[:200] or f"status {status}"
    code = {401: 1401, 403: 1403, 404: 1404, 409: 1406, 412: 1418}.get(status, 1500)
    step = {1404: "Create it first", 1406: "Use another name"}.get(code, "Look at the brokers' log")
    return error(code, reason, next_step=step)


def translated(failure: Any) -> OMSRuntimeException:
    """What an error of the client means: an exception, or a result of a callback."""
    name = failure.name if isinstance(failure, pulsar.Result) else type(failure).__name__
    code, step = _CODES.get(name, _UNREACHABLE)
    text = str(failure)
    return error(code, text if name in text else f"{name}: {text}", next_step=step)
