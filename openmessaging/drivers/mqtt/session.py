"""A session at the broker: paho's client in an event loop, connected again when its connection breaks.

paho reads and writes when the loop says that the socket is ready, so there is no thread; only connecting, which blocks,
goes through one. A session outlives its connections: what was sent or received under it and not confirmed is sent
again by whoever sent it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from openmessaging.model.errors import OMSRuntimeException, error

CONNECT_WITHIN = 5.0
"""Seconds for a connection to one host and the broker's word."""
KEEP_ALIVE_S = 20
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to connect."""
IN_FLIGHT = 1_000
"""Messages received and not acknowledged, at most; brokers allow less."""
_DENIED = {0x86, 0x87, 0x8C}
CODES = {
    0x10: (1404, "Nobody subscribes to it, so it was dropped: start a consumer first"),
    0x87: (1403, "Let the account publish and subscribe there"),
    0x90: (1418, "Take another name"),
    0x95: (1413, "Send a reference to it instead"),
    0x97: (1502, "Let consumers catch up, or raise the broker's limits"),
}
"""What a broker's reason is here, and the next step."""


class Broker:
    """Where brokers are, and as whom they are spoken to."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], account: str, key: Callable[[], str], tls: ssl.SSLContext | None
    ) -> None:
        self.addresses = list(addresses)
        self.account = account
        self.key = key
        self.tls = tls


class Session:
    """One client at a broker. `expiry_s`: how long the broker keeps it without a connection."""

    def __init__(
        self, broker: Broker, client_id: str, expiry_s: int, on_message: Callable[[MQTTMessage], None]
    ) -> None:
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._expiry_s = expiry_s
        self._take = on_message
        self._said: asyncio.Future[tuple[ReasonCode, bool]] | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._gone = asyncio.Event()
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._filter: str | None = None
        self.on_resume: Callable[[bool], None] = lambda _: None
        """Called with each further connection: whether the broker still had the session."""
        self.client = client = Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, manual_ack=True, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_WITHIN
        client.max_inflight_messages_set(IN_FLIGHT)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.on_socket_open = lambda *given: self._soon(self._watch, given[2])
        client.on_socket_close = self._unwatch
        client.on_socket_register_write = lambda *given: self._soon(self._want_write, given[2])
        client.on_socket_unregister_write = lambda *given: self._soon(self._enough_written, given[2])
        client.on_connect = self._connected
        client.on_disconnect = lambda *_: self._gone.set()
        client.on_message = lambda *given: self._take(given[2])
        client.on_publish = lambda *given: self._answered(given[2], given[3])
        client.on_subscribe = lambda *given: self._answered(given[2], given[3][0])

    async def open(self) -> None:
        """Connect. Raises OSError when no host can be reached; OMSSecurityException when the broker refuses us."""
        await self._connect(first=True)
        self._keeper = self._loop.create_task(self._keep())

    async def subscribe(self, topic_filter: str) -> None:
        """Receive what is published there. Raises TimeoutError, and OMSRuntimeException as the broker refuses."""
        self._filter = topic_filter
        _, number = self.client.subscribe(topic_filter, options=SubscribeOptions(qos=1, retainHandling=2))
        assert number is not None
        async with asyncio.timeout(CONNECT_WITHIN):
            reason = await self._answer(number)
        if reason.is_failure:
            raise refused(reason, topic_filter)

    def publish(self, topic: str, payload: bytes, properties: Properties) -> asyncio.Future[ReasonCode]:
        """Send one message; the future has what the broker said of it, after however many connections."""
        info = self.client.publish(topic, payload, qos=1, properties=properties)
        return self._answer(info.mid)

    def acknowledge(self, number: int) -> None:
        """A received message is done."""
        self.client.ack(number, 1)

    async def close(self) -> None:
        """Hang up; the session goes on for its time at the broker."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self.client.disconnect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._gone.wait()

    # ---- connecting ------------------------------------------------------------------------------------------------

    async def _connect(self, first: bool) -> None:
        failure: Exception = ConnectionError("no host was given")
        addresses = self._broker.addresses
        for _ in range(len(addresses)):
            try:
                reason, present = await self._connect_to(*addresses[0], first)
            except OSError as cause:  # TimeoutError is one
                failure = cause
            else:
                if reason.value in _DENIED:
                    step = "Check the account of the URL and the attribute ACCOUNT_KEY"
                    raise error(1401, f"the broker refuses us: {reason}", next_step=step)
                if not reason.is_failure:
                    self._up.set()
                    if not first:
                        await self._resume(present)
                    return
                failure = ConnectionError(f"the broker says: {reason}")
            addresses.append(addresses.pop(0))
        raise failure

    async def _connect_to(self, host: str, port: int, first: bool) -> tuple[ReasonCode, bool]:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._expiry_s
        properties.ReceiveMaximum = IN_FLIGHT
        if self._broker.account or self._broker.key():
            self.client.username_pw_set(self._broker.account, self._broker.key() or None)
        self._said = self._loop.create_future()
        self._gone.clear()
        async with asyncio.timeout(CONNECT_WITHIN):
            await asyncio.to_thread(
                self.client.connect,
                host,
                port,
                KEEP_ALIVE_S,
                clean_start=first and not self._expiry_s,
                properties=properties,
            )
            return await self._said

    async def _resume(self, present: bool) -> None:
        self.on_resume(present)
        if self._filter is not None:  # Mosquitto 2.0 keeps sessions over a restart, but not their shared subscriptions
            await self.subscribe(self._filter)

    async def _keep(self) -> None:
        """Say that we live, and connect again."""
        pause = FIRST_PAUSE
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._gone.wait()
            if not self._gone.is_set():
                self.client.loop_misc()
                continue
            self._up.clear()
            try:
                await self._connect(first=False)
                pause = FIRST_PAUSE
            except (OSError, OMSRuntimeException):
                self._gone.set()
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - it spreads clients
                pause = min(pause * 2, LONGEST_PAUSE)

    def _connected(self, _: Client, __: Any, flags: Any, reason: ReasonCode, ___: Any) -> None:
        if self._said is not None and not self._said.done():
            self._said.set_result((reason, bool(flags.session_present)))

    # ---- the socket ------------------------------------------------------------------------------------------------

    def _soon(self, call: Callable[[Any], None], sock: Any) -> None:
        """paho tells of sockets from the thread that connects, too."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, sock)

    def _watch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_reader(sock, self._read, sock)

    def _unwatch(self, _: Client, __: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _read(self, sock: Any) -> None:
        self.client.loop_read(IN_FLIGHT)
        while isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending():
            self.client.loop_read(IN_FLIGHT)  # what TLS has decoded makes no socket ready

    def _want_write(self, sock: Any) -> None:
        if sock.fileno() >= 0 and self.client.want_write():
            self._loop.add_writer(sock, self.client.loop_write)

    def _enough_written(self, sock: Any) -> None:
        if sock.fileno() >= 0 and not self.client.want_write():
            self._loop.remove_writer(sock)

    # ---- answers ---------------------------------------------------------------------------------------------------

    def _answer(self, number: int) -> asyncio.Future[Any]:
        future = self._waiting[number] = self._loop.create_future()
        return future

    def _answered(self, number: int, reason: ReasonCode) -> None:
        future = self._waiting.pop(number, None)
        if future is not None and not future.done():
            future.set_result(reason)


def refused(reason: ReasonCode, what: str) -> OMSRuntimeException:
    """This library's error for a broker's reason."""
    code, step = CODES.get(reason.value, (1500, "Look at the broker's log"))
    return error(code, f"{what}: {reason}", next_step=step)
