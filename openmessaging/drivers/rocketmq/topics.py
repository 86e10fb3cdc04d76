"""Topics: where they are, by the proxy; and making them, which only brokers can, by RocketMQ's older protocol.

A frame is its length (4 bytes, big-endian), the length of its header (4 bytes), the header as JSON, and a body.

Source: RocketMQ, remoting protocol; request codes 106 (which brokers there are) and 17 (create or change a topic).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec

from openmessaging.drivers.naming import Naming
from openmessaging.drivers.rocketmq.proxy import NO_TOPIC, Proxy, Refused
from openmessaging.model.errors import error

NAMES = Naming()
_BROKERS, _CREATE = 106, 17
_TIMEOUT = 10.0
_REGISTERED_WITHIN = 30.0
_MASTER = re.compile(rb'"brokerAddrs":\{[^}]*?\b0:"([^"]+)"')
"""The answer is no JSON: its numbers as keys have no quotes."""


class Topics:
    """Where the topics of queues are."""

    def __init__(self, proxy: Proxy, name_server: tuple[str, int] | None) -> None:
        self._proxy = proxy
        self._name_server = name_server
        self._known: dict[str, list[Any]] = {}

    async def queues(self, queue: str) -> list[Any]:
        """The message queues of a queue's topic (full name), which is made when missing and a name server is given.
        Raises 1404."""
        topic = NAMES.native(queue)
        found = self._known.get(topic)
        if found is None:
            found = await self._proxy.persist(queue, lambda: self._route(topic))
            if not found and self._name_server is not None:
                await create_topic(self._name_server, topic)
                found = await self._registered(queue, topic)
            if not found:
                raise Refused(NO_TOPIC, f"there is no topic {topic}").told(queue)
            self._known[topic] = found
        return found

    async def _route(self, topic: str) -> list[Any]:
        try:
            answer = await self._proxy.call("QueryRoute", "routes", self._proxy.route_request(topic))
        except Refused as refused:
            if refused.code == NO_TOPIC:
                return []
            raise
        return list(answer.message_queues)

    async def _registered(self, queue: str, topic: str) -> list[Any]:
        """Wait until the proxy has heard of a topic."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REGISTERED_WITHIN
        while True:
            found = await self._proxy.persist(queue, lambda: self._route(topic))
            if found or loop.time() >= deadline:
                return found
            await asyncio.sleep(0.1)

    def forget(self, queue: str) -> None:
        """It may have changed."""
        self._known.pop(NAMES.native(queue), None)


async def create_topic(name_server: tuple[str, int], topic: str) -> None:
    """Make a topic of type NORMAL with one message queue, on each broker. Raises OMSRuntimeException 1503, 1500."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, brokers = await _ask(*name_server, _BROKERS, {})
            for address in _MASTER.findall(brokers):
                host, _, port = address.decode().rpartition(":")
                fields = {
                    "topic": topic,
                    "defaultTopic": "TBW102",
                    "readQueueNums": "1",
                    "writeQueueNums": "1",
                    "perm": "6",
                    "topicFilterType": "SINGLE_TAG",
                    "topicSysFlag": "0",
                    "order": "false",
                    "attributes": "+message.type=NORMAL",
                }
                header, _ = await _ask(host, int(port), _CREATE, fields)
                if header["code"] != 0:
                    text = f"topic {topic}: {header.get('remark') or header['code']}"
                    raise error(1500, text, next_step="See what the broker's log says")
    except (OSError, asyncio.IncompleteReadError) as cause:  # TimeoutError is an OSError
        step = "See whether name server and brokers can be reached from here"
        raise error(1503, f"topic {topic} cannot be made: {cause or 'no answer'}", next_step=step) from cause


async def _ask(host: str, port: int, code: int, fields: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    request = {"code": code, "language": "JAVA", "version": 0, "opaque": 1, "flag": 0, "extFields": fields}
    header = msgspec.json.encode(request)
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write((len(header) + 4).to_bytes(4, "big") + len(header).to_bytes(4, "big") + header)
        await writer.drain()
        size = int.from_bytes(await reader.readexactly(4), "big")
        answer = await reader.readexactly(size)
    finally:
        writer.close()
    end = 4 + (int.from_bytes(answer[:4], "big") & 0xFFFFFF)
    found: dict[str, Any] = msgspec.json.decode(answer[4:end])
    return found, answer[end:]
