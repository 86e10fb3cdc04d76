"""Publishing to a broker of MQTT, and what another client of it sees."""

import asyncio
from collections.abc import Awaitable, Callable

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import openmessaging as oms
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, OMSUnsupportException
from openmessaging.testing.servers import Server

PROPERTIES = {
    "text": "Grüße",
    "lines": "one\ntwo\0\uffff",
    "flag": True,
    "whole": -(1 << 63),
    "real": 2.5,
    "bytes": b"\x00\xff",
    "oms-x": "y",
}


def run(server: Server, work: Callable[[oms.AccessPoint], Awaitable[None]], **attributes: object) -> None:
    async def main() -> None:
        async with oms.connect(server.url, attributes) as access_point:
            await work(access_point)

    asyncio.run(asyncio.wait_for(main(), 60))


class Native:
    """The system's own client, in a thread of its own."""

    def __init__(self, server: Server, topic: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.got: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.subscribed = asyncio.Event()
        self.client.on_message = lambda *given: self.loop.call_soon_threadsafe(self.got.put_nowait, given[2])
        self.client.on_subscribe = lambda *_: self.loop.call_soon_threadsafe(self.subscribed.set)
        self.client.on_connect = lambda *_: self.client.subscribe(topic, 1)
        self.client.connect("127.0.0.1", server.port)
        self.client.loop_start()

    async def close(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


def test_everything_of_a_message_comes_back(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with (
            access_point.create_producer() as producer,
            access_point.create_pull_consumer(queue, group="billing") as consumer,
        ):
            message = producer.create_message(
                queue, b"\x00\xff", message_key="alice", properties=PROPERTIES, correlation_id="c-1", trace_id="t-1"
            )
            result = await producer.send(message)
            assert (result.durability, result.offset) == (oms.Durability.MEMORY, -1)
            got = await consumer.receive(5)
            assert got is not None
            assert (got.data, got.message_key, got.delivery_count) == (b"\x00\xff", "alice", 1)
            assert dict(got.properties) == PROPERTIES
            assert (got.header.message_id, got.header.born_host) == (result.message_id, message.header.born_host)
            assert (got.extension_header.correlation_id, got.extension_header.trace_id) == ("c-1", "t-1")
            await got.ack()

    run(server, work)


def test_the_systems_own_client_reads_ours_and_ours_reads_its(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        topic = queue.replace(".", "/")
        native = Native(server, topic)
        await native.subscribed.wait()
        async with (
            access_point.create_producer() as producer,
            access_point.create_pull_consumer(queue, group="g") as consumer,
        ):
            message = producer.create_message(queue, b"ours", message_key="k", properties={"n": 1}, correlation_id="c")
            sent = await producer.send(message)
            seen = await native.got.get()
            assert (seen.topic, seen.payload, seen.properties.CorrelationData) == (topic, b"ours", b"c")
            assert dict(seen.properties.UserProperty) == {
                "oms-messageKey": "k",
                "oms-messageId": sent.message_id,
                "oms-bornTimestamp": str(sent.origin.born_ms),
                "oms-bornHost": sent.origin.born_host,
                "oms-correlationId": "c",
                "n": "1",
                "oms-types": "n=long",
            }
            await (await consumer.receive(5)).ack()
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = [("colour", "red")]
            for qos in (0, 1, 2):
                native.client.publish(topic, b"theirs", qos, properties=properties)
                got = await consumer.receive(5)
                assert got is not None
                assert (got.data, dict(got.properties), got.message_key) == (b"theirs", {"colour": "red"}, None)
                assert got.header.message_id
                await got.ack()
            await consumer.flush()
        await native.close()

    run(server, work)


def test_what_cannot_be_done_is_refused(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            with pytest.raises(OMSDestinationException, match=r"1404.*start a consumer first"):
                await producer.send(producer.create_message(queue, b"nobody is there"))
            with pytest.raises(OMSRuntimeException, match="1418"):
                await producer.send(producer.create_message(queue, b"", partition=1))
            with pytest.raises(OMSRuntimeException, match="1413"):
                await producer.send(producer.create_message(queue, b"x" * ((16 << 20) + 1)))
            with pytest.raises(OMSRuntimeException, match="1400"):
                await producer.send(producer.create_message(queue, b"", properties={"a\n": ""}))
            with pytest.raises(OMSUnsupportException):
                await producer.send(producer.create_message(queue, b"", delay=1))
        for options in ({"start": "ts:1"}, {"order": "key"}):
            with pytest.raises(OMSUnsupportException):
                async with access_point.create_pull_consumer(queue, group="g", **options):
                    pass
        with pytest.raises(OMSUnsupportException):
            await access_point.resource_manager().describe_queue(queue)

    run(server, work)


def test_what_is_too_old_does_not_come(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            async with access_point.create_pull_consumer(queue, group="g"):
                pass  # from now on the broker keeps messages for it
            await producer.send(producer.create_message(queue, b"old", ttl=0.2))
            await producer.send(producer.create_message(queue, b"new", ttl=60))
            await asyncio.sleep(0.3)
            async with access_point.create_pull_consumer(queue, group="g") as consumer:
                got = await consumer.receive(5)
                assert got is not None
                assert got.data == b"new"
                await got.ack()

    run(server, work, CLIENT_ID="shop")


def test_each_broadcast_consumer_gets_everything(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with (
            access_point.create_pull_consumer(queue, group="g", broadcast=True) as one,
            access_point.create_pull_consumer(queue, group="g", broadcast=True) as two,
            access_point.create_producer() as producer,
        ):
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(5)])
            for consumer in (one, two):
                got = [await consumer.receive(5) for _ in range(5)]
                assert [message.data for message in got if message] == [b"0", b"1", b"2", b"3", b"4"]

    run(server, work)
