"""Connections that break, brokers that restart, and what is refused at the door."""

import asyncio
import subprocess
import time
from collections import Counter

import pytest
import trustme

import openmessaging as oms
from openmessaging.drivers.mqtt import access, session
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, OMSSecurityException
from openmessaging.testing.servers import Server
from openmessaging.testing.servers.mosquitto import Mosquitto
from openmessaging.testing.servers.server import free_port, listens
from tests.drivers.real import real
from tests.firewall import Between

COUNT = 1_200


class Flow:
    """A producer of numbered messages and two named consumers, over something that breaks."""

    def __init__(self, url: str, queue: str) -> None:
        self.url, self.queue = url, queue
        self.acknowledged: set[bytes] = set()
        self.seen: Counter[bytes] = Counter()
        self.ready, self.third, self.all = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()

    async def produce(self) -> None:
        for _ in range(2):
            await self.ready.acquire()
        async with oms.connect(self.url) as access_point, access_point.create_producer() as producer:
            for begin in range(0, COUNT, 20):
                messages = [producer.create_message(self.queue, b"%d" % at) for at in range(begin, begin + 20)]
                await asyncio.gather(*[self.send(producer, message) for message in messages])
                self.acknowledged.update(message.data for message in messages)

    async def send(self, producer: oms.Producer, message: oms.Message) -> None:
        """Until it is taken: after a restart nobody subscribes until the consumers are back."""
        while True:
            try:
                await producer.send(message)
            except OMSDestinationException:
                await asyncio.sleep(0.05)
            else:
                return

    async def consume(self, name: str) -> None:
        access_point = oms.connect(self.url, {"CLIENT_ID": name})
        async with access_point, access_point.create_pull_consumer(self.queue, group="g") as consumer:
            self.ready.release()
            while not self.all.is_set():
                messages = await consumer.batch_receive(20, 0.3)
                self.seen.update(message.data for message in messages)
                await consumer.ack(messages)
                if len(self.seen) > COUNT // 3:
                    self.third.set()
                if len(self.seen) == COUNT:
                    self.all.set()

    async def run(self, disturb: asyncio.Task[None]) -> None:
        async with asyncio.timeout(100):
            await asyncio.gather(self.produce(), self.consume("one"), self.consume("two"), disturb)
        assert len(self.acknowledged) == COUNT
        assert self.seen.keys() == self.acknowledged, "nothing acknowledged is lost"


def test_nothing_is_lost_when_the_broker_restarts(queue: str) -> None:
    async def work(server: Server) -> None:
        flow = Flow(server.url, queue)

        async def restart() -> None:
            await flow.third.wait()
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)

        await flow.run(asyncio.ensure_future(restart()))

    with real(Mosquitto) as server:
        asyncio.run(work(server))


def test_nothing_is_lost_over_torn_connections(server: Server, queue: str) -> None:
    async def work() -> None:
        async with Between(server.port) as between:
            flow = Flow(f"oms:mqtt://127.0.0.1:{between.port}/local", queue)

            async def tear() -> None:
                await flow.third.wait()
                for _ in range(3):
                    between.tear()
                    await asyncio.sleep(0.3)

            await flow.run(asyncio.ensure_future(tear()))

    asyncio.run(work())


def test_a_port_without_a_broker_is_told_at_once(server: Server, queue: str) -> None:
    async def work() -> None:
        began = time.monotonic()
        with pytest.raises(OMSRuntimeException, match=r"10000.*Start the broker"):
            async with oms.connect(f"oms:mqtt://127.0.0.1:{free_port()}/local"):
                pass
        assert time.monotonic() - began < session.CONNECT_WITHIN + 1
        url = f"oms:mqtt://127.0.0.1:{free_port()},127.0.0.1:{server.port}/local"
        async with oms.connect(url) as access_point, access_point.create_pull_consumer(queue, group="g"):
            pass

    asyncio.run(work())


def test_a_send_that_nobody_answers_may_have_been_done(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "PATIENCE", 0.3)

    async def work(server: Server) -> None:
        async with (
            oms.connect(server.url) as access_point,
            access_point.create_producer() as producer,
            access_point.create_pull_consumer(queue, group="g"),
        ):
            await producer.send(producer.create_message(queue, b"1"))
            server.pause()
            with pytest.raises(OMSRuntimeException, match="1410"):
                await producer.send(producer.create_message(queue, b"2"))
            server.resume()

    with real(Mosquitto) as server:
        asyncio.run(work(server))


class Secure(Mosquitto):
    """Speaks TLS only, and knows alice."""

    def launch(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        issued.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        users = self.folder / "users"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "alice", "secret"], check=True)
        (self.folder / "m.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\npassword_file {users}\n"
            f"certfile {self.folder}/cert.pem\nkeyfile {self.folder}/key.pem\n"
        )
        self.spawn([self.program("mosquitto"), "-c", str(self.folder / "m.conf")])

    def answers(self) -> bool:
        return listens(self.port)


def test_tls_and_accounts(queue: str) -> None:
    async def work(server: Server) -> None:
        url = server.url.replace("//", "//alice@")
        attributes = {"TLS_AUTHORITY": str(server.folder / "ca.pem"), "ACCOUNT_KEY": "secret"}
        async with (
            oms.connect(url, attributes) as access_point,
            access_point.create_pull_consumer(queue, group="g") as consumer,
            access_point.create_producer() as producer,
        ):
            await producer.send([producer.create_message(queue, b"x" * 5_000) for _ in range(50)])
            assert len([await consumer.receive(5) for _ in range(50)]) == 50
        with pytest.raises(OMSSecurityException, match="1401"):
            async with oms.connect(url, {**attributes, "ACCOUNT_KEY": "wrong"}):
                pass
        with pytest.raises(OMSRuntimeException, match="10000"):
            async with oms.connect(url, {"TLS": True, "ACCOUNT_KEY": "secret"}):
                pass

    with real(Secure) as server:
        asyncio.run(work(server))
