"""paho-mqtt as its manual shows it: a network thread, QoS 1, acknowledged when the callback returns."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Sequence

import paho.mqtt.client as paho

from openmessaging.testing.servers.mosquitto import Mosquitto


class Fast(Mosquitto):
    """Without the file that is written anew at each change: it would be all that is measured."""

    def launch(self) -> None:
        configuration = self.folder / "mosquitto.conf"
        limits = "max_inflight_messages 1000\nmax_queued_messages 100000\n"
        configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{limits}")
        self.spawn([self.program("mosquitto"), "-c", str(configuration)])


SERVER = Fast


class Bare:
    def __init__(self, server: Mosquitto) -> None:
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, f"bench-{secrets.token_hex(4)}", protocol=paho.MQTTv5
        )
        self._client.max_inflight_messages_set(1000)
        self._port = server.port
        self._wanted = 1 << 60
        self._got = 0
        self._all = threading.Event()

    async def open(self, queue: str) -> None:
        self._queue = queue
        subscribed = threading.Event()
        self._client.on_message = self._take
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_connect = lambda *_: self._client.subscribe(f"$share/bench/{queue}", 1)
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        await asyncio.to_thread(subscribed.wait)

    def _take(self, *_: object) -> None:
        self._got += 1
        if self._got >= self._wanted:
            self._all.set()

    async def produce(self, bodies: Sequence[bytes]) -> None:
        sent = [self._client.publish(self._queue, body, 1) for body in bodies]
        await asyncio.to_thread(lambda: [each.wait_for_publish() for each in sent])

    async def consume(self, count: int) -> None:
        """What was produced comes by itself."""
        self._wanted = count
        if self._got < count:
            await asyncio.to_thread(self._all.wait)

    async def send(self, body: bytes) -> None:
        await asyncio.to_thread(self._client.publish(self._queue, body, 1).wait_for_publish)

    async def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


bare = Bare
