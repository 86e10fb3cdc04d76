"""Connections that break, servers that restart, and what is refused at the door."""

import asyncio
import random
import ssl
import time
from collections import Counter

import pytest
import redis.asyncio as redis
import trustme

import openmessaging as oms
from openmessaging.drivers.redis import link
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException
from openmessaging.testing.servers import Server
from openmessaging.testing.servers.redis import Redis
from openmessaging.testing.servers.server import free_port, listens
from tests.drivers.real import real
from tests.drivers.redis.test_access import run
from tests.firewall import Between


class Flow:
    """A producer of numbered messages and two consumers, over something that breaks; judges what came."""

    def __init__(self, url: str, queue: str, count: int) -> None:
        self.url, self.queue, self.count = url, queue, count
        self.acknowledged: set[bytes] = set()
        self.seen: Counter[bytes] = Counter()
        self.half = asyncio.Event()
        self.all = asyncio.Event()

    async def produce(self) -> None:
        async with oms.connect(self.url) as access_point, access_point.create_producer() as producer:
            for begin in range(0, self.count, 50):
                numbers = range(begin, begin + 50)
                messages = [producer.create_message(self.queue, b"%d" % number) for number in numbers]
                await asyncio.gather(*[producer.send(message) for message in messages])
                self.acknowledged.update(message.data for message in messages)

    async def consume(self) -> None:
        async with oms.connect(self.url) as access_point:
            consumer = access_point.create_pull_consumer(self.queue, group="g", invisible_time=2, prefetch=1)
            async with consumer:
                while not self.all.is_set():
                    for message in await consumer.batch_receive(40, 0.5):
                        self.seen[message.data] += 1
                        await message.ack()
                    if len(self.seen) > self.count // 3:
                        self.half.set()
                    if len(self.seen) == self.count:
                        self.all.set()
                await consumer.flush()

    async def run(self, disturb: asyncio.Task[None]) -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(self.produce(), self.consume(), self.consume(), disturb)
        assert len(self.acknowledged) == self.count
        assert self.seen.keys() == self.acknowledged, "nothing acknowledged is lost"


async def stored(port: int, queue: str) -> int:
    client = redis.Redis(port=port)
    info = await client.xinfo_stream(queue)
    await client.aclose()
    return int(info["entries-added"])


def test_nothing_is_lost_or_stored_twice_when_the_server_is_killed_and_started(queue: str) -> None:
    async def work(server: Server) -> None:
        flow = Flow(server.url, queue, 2_000)

        async def restart() -> None:
            await flow.half.wait()
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

        await flow.run(asyncio.ensure_future(restart()))
        assert await stored(server.port, queue) == 2_000

    with real(Redis) as server:
        asyncio.run(work(server))


def test_nothing_is_lost_or_stored_twice_over_torn_connections(server: Server, queue: str) -> None:
    async def work() -> None:
        async with Between(server.port, random.Random(7)) as between:
            between.chance = None
            flow = Flow(f"oms:redis://127.0.0.1:{between.port}/local", queue, 2_000)

            async def tear() -> None:
                await flow.half.wait()
                between.chance = random.Random(7)
                for _ in range(3):
                    between.tear()
                    await asyncio.sleep(0.1)
                between.chance = None
                between.tear()

            await flow.run(asyncio.ensure_future(tear()))
            assert between.torn
        assert await stored(server.port, queue) == 2_000

    asyncio.run(work())


def test_what_was_handed_out_over_a_broken_connection_comes_at_once(server: Server, queue: str) -> None:
    async def work() -> None:
        async with (
            Between(server.port) as between,
            oms.connect(f"oms:redis://127.0.0.1:{between.port}/local") as access_point,
            access_point.create_pull_consumer(queue, group="g", prefetch=1) as consumer,
        ):
            receiving = asyncio.ensure_future(consumer.receive(10))
            await asyncio.sleep(0.3)
            between.loses_answers = True
            async with oms.connect(server.url) as direct, direct.create_producer() as producer:
                await producer.send(producer.create_message(queue, b"1"))
            await asyncio.sleep(0.1)
            between.loses_answers = False
            between.tear()
            began = time.monotonic()
            message = await receiving
            assert message is not None
            assert time.monotonic() - began < 5, "long before its lease of 30 s is over"
            await message.ack()

    asyncio.run(work())


def test_a_port_without_a_server_is_told_at_once() -> None:
    async def work() -> None:
        began = time.monotonic()
        with pytest.raises(OMSRuntimeException, match=r"10000.*redis-server"):
            async with oms.connect(f"oms:redis://127.0.0.1:{free_port()}/local"):
                pass
        assert time.monotonic() - began < link.CONNECT_WITHIN + 1

    asyncio.run(work())


def test_the_second_host_is_taken_where_the_first_is_not_there(server: Server, queue: str) -> None:
    async def work() -> None:
        url = f"oms:redis://127.0.0.1:{free_port()},127.0.0.1:{server.port}/local"
        async with oms.connect(url) as access_point, access_point.create_producer() as producer:
            assert (await producer.send(producer.create_message(queue, b"x"))).partition == 0

    asyncio.run(work())


def test_calls_without_a_server_fail_when_patience_ends(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.3)

    async def work(server: Server) -> None:
        async with oms.connect(server.url) as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"x"))
            server.kill()
            with pytest.raises(OMSRuntimeException, match=r"1503|1410"):
                await producer.send(producer.create_message(queue, b"y"))
            server.start()
            await producer.send(producer.create_message(queue, b"z"))

    with real(Redis) as server:
        asyncio.run(work(server))


def test_accounts_and_what_they_may_do(server: Server, queue: str) -> None:
    async def work() -> None:
        client = redis.Redis(port=server.port)
        await client.execute_command("ACL", "SETUSER", "alice", "on", ">secret", "~*", "+@all")
        await client.execute_command("ACL", "SETUSER", "bob", "on", ">secret", "~other*", "+@all")
        url = f"oms:redis://{{}}@127.0.0.1:{server.port}/local"
        alice = oms.connect(url.format("alice"), {"ACCOUNT_KEY": "secret"})
        async with alice, alice.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"x"))
        with pytest.raises(OMSSecurityException, match="1401"):
            async with oms.connect(url.format("alice"), {"ACCOUNT_KEY": lambda: "wrong"}):
                pass
        bob = oms.connect(url.format("bob"), {"ACCOUNT_KEY": "secret"})
        async with bob, bob.create_producer() as producer:
            with pytest.raises(OMSSecurityException, match="1403"):
                await producer.send(producer.create_message(queue, b"x"))
        await client.execute_command("ACL", "DELUSER", "alice", "bob")
        await client.aclose()

    asyncio.run(work())


def test_flushed_scripts_are_loaded_again(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        client = redis.Redis(port=server.port)
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"1"))
            await client.script_flush()
            await producer.send(producer.create_message(queue, b"2"))
        assert await client.xlen(queue) == 2
        await client.aclose()

    run(server, work)


def test_a_server_without_memory_says_so(queue: str) -> None:
    async def work(server: Server) -> None:
        client = redis.Redis(port=server.port)
        async with oms.connect(server.url) as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"1"))
            await client.config_set("maxmemory", "1mb")
            with pytest.raises(OMSRuntimeException, match=r"1502.*maxmemory"):
                await producer.send(producer.create_message(queue, b"2"))
            await client.config_set("maxmemory", "0")
            await producer.send(producer.create_message(queue, b"3"))
        await client.aclose()

    with real(Redis) as server:
        asyncio.run(work(server))


class Secure(Redis):
    """Speaks TLS only, and asks clients for no certificate."""

    def launch(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "server.pem"))
        command = [self.program("redis-server"), "--port", "0", "--tls-port", str(self.port), "--bind", "127.0.0.1"]
        files = ["--tls-cert-file", "server.pem", "--tls-key-file", "server.pem", "--tls-ca-cert-file", "ca.pem"]
        self.spawn([*command, *files, "--tls-auth-clients", "no", "--dir", str(self.folder)])

    def answers(self) -> bool:
        return listens(self.port)


def test_tls(queue: str) -> None:
    async def work(server: Server) -> None:
        authority = {"TLS_AUTHORITY": str(server.folder / "ca.pem")}
        for attributes in (authority, {"TLS": ssl.create_default_context(cafile=authority["TLS_AUTHORITY"])}):
            async with oms.connect(server.url, attributes) as access_point, access_point.create_producer() as producer:
                result = await producer.send(producer.create_message(queue, b"x"))
                assert result.durability is oms.Durability.MEMORY, "it writes no log"
        with pytest.raises(OMSRuntimeException, match=r"10000.*certificate"):
            async with oms.connect(server.url, {"TLS": True}):
                pass

    with real(Secure) as server:
        asyncio.run(work(server))


class Cluster(Redis):
    def launch(self) -> None:
        super().launch()
        self.kill()
        command = [self.program("redis-server"), "--port", str(self.port), "--dir", str(self.folder)]
        self.spawn([*command, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", str(free_port())])


def test_a_cluster_is_refused() -> None:
    async def work(server: Server) -> None:
        with pytest.raises(OMSRuntimeException, match=r"10000.*cluster.*no cluster"):
            async with oms.connect(server.url):
                pass

    with real(Cluster) as server:
        asyncio.run(work(server))
