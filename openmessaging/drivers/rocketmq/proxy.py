"""Calls of RocketMQ's gRPC interface (apache.rocketmq.v2), and what its statuses mean here."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from openmessaging.model.errors import OMSRuntimeException, error

CALL_TIMEOUT = 10.0
"""Seconds for one answer."""
PATIENCE = 30.0
"""Seconds for which a call is tried again while the proxy is away."""
_PAUSE = 0.2
OK, NO_MESSAGE, NO_TOPIC = 20000, 40401, 40402
_CODES = {
    NO_TOPIC: 1404,
    41301: 1413,  # body
    41304: 1411,  # properties
    40007: 1411,
    40101: 1401,
    40301: 1403,
    42901: 1502,
    50303: 1502,
    50003: 1503,
    50001: 1500,
}
_STEPS = {
    1404: "Create the topic: mqadmin updateTopic; or give the attribute name_server",
    1413: "Send less in one message, or raise maxMessageSize of proxy and broker",
    1411: "Give it fewer or shorter properties",
    1502: "Send more slowly, or add brokers",
}
T = TypeVar("T")


class Lost(Exception):
    """No answer: whether the call took effect is not known."""


class Refused(Exception):
    """What the proxy says no with."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    def told(self, about: str) -> OMSRuntimeException:
        """As an error of this library."""
        code = _CODES.get(self.code, 1418 if self.code < 50000 else 1500)
        step = _STEPS.get(code, "See what the proxy's log says")
        return error(code, f"{about}: {self.args[0].splitlines()[0]} ({self.code})", next_step=step)


class Proxy:
    """A channel to proxies, and the messages and calls of their interface."""

    def __init__(self, channel: Any, host: str, port: int) -> None:
        from rocketmq.grpc_protocol import definition_pb2, service_pb2, service_pb2_grpc

        self.types: Any = definition_pb2
        self.calls: Any = service_pb2
        self._channel = channel
        self._stub: Any = service_pb2_grpc.MessagingServiceStub(channel)
        address = self.types.Address(host=host, port=port)
        self.endpoints = self.types.Endpoints(scheme=self.types.AddressScheme.IPv4, addresses=[address])

    def metadata(self, client: str) -> list[tuple[str, str]]:
        """What every call says of the client that makes it."""
        return [
            ("x-mq-client-id", client),
            ("x-mq-language", "PYTHON"),
            ("x-mq-client-version", "5.1.2"),
            ("x-mq-protocol", "v2"),
            ("x-mq-date-time", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())),
            ("x-mq-request-id", secrets.token_hex(8)),
        ]

    async def greet(self, timeout: float) -> None:
        """See whether a proxy answers. Raises Lost."""
        with suppress(Refused):  # there is no such topic: it answered
            await self.call("QueryRoute", "greeter", self.route_request("x"), timeout)

    def route_request(self, topic: str) -> Any:
        """Where is a topic?"""
        return self.calls.QueryRouteRequest(topic=self.types.Resource(name=topic), endpoints=self.endpoints)

    async def call(self, name: str, client: str, request: Any, timeout: float = CALL_TIMEOUT) -> Any:
        """One call with one answer. Raises Lost, Refused."""
        import grpc

        try:
            answer = await getattr(self._stub, name)(request, metadata=self.metadata(client), timeout=timeout)
        except grpc.RpcError as failure:
            raise _lost(failure) from failure
        check(answer.status)
        return answer

    def stream(self, name: str, client: str, *request: Any, timeout: float | None = None) -> Any:
        """A call with many answers; its reads raise `grpc.RpcError`."""
        return getattr(self._stub, name)(*request, metadata=self.metadata(client), timeout=timeout)

    async def persist(self, about: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do what may be done twice until it is answered. Raises OMSRuntimeException, 1503 when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            try:
                return await act()
            except Refused as refused:
                raise refused.told(about) from refused
            except Lost as cause:
                if loop.time() >= deadline:
                    step = "See whether it runs, then try again"
                    raise error(1503, f"{about}: the proxy: {cause}", next_step=step) from cause
                await asyncio.sleep(_PAUSE)

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()


def check(status: Any) -> None:
    """Raises Refused for a status that is not OK."""
    if status.code != OK:
        raise Refused(status.code, status.message or "refused")


def _lost(failure: Any) -> Lost:
    details = failure.details() if hasattr(failure, "details") else ""
    return Lost(details or str(failure))
