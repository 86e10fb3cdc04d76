"""The driver behind HTTP: what breaks, what stands between, who asks."""

import asyncio
import base64
import contextlib
import json
import random
import signal
import ssl
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import trustme

import openmessaging as oms
from openmessaging.drivers.http import factory
from openmessaging.drivers.oms import channel, link
from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException
from openmessaging.server.config import Config, HttpSection, ListenSection, StoreSection
from openmessaging.server.http.app import create
from openmessaging.server.http.listener import HttpListener
from openmessaging.server.node import Node
from openmessaging.server.security.hashing import hash_password
from tests.firewall import Between
from tests.server.security.helpers import add_user
from tests.servers import serving

HTTP = {"listen": "127.0.0.1:0"}


def run(work) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def send_one(url: str, attributes: dict | None = None) -> int:
    async with oms.connect(url, attributes or {}) as access_point, access_point.create_producer() as producer:
        return (await producer.send(producer.create_message("orders", b"x"))).offset


@pytest.mark.parametrize("websockets", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_connections_that_tear_at_any_byte(tmp_path: Path, seed: int, websockets: bool) -> None:
    async def work(port: int, native: str) -> None:
        async with Between(port, random.Random(seed), websockets=websockets) as proxy:
            received: Counter[bytes] = Counter()
            total = 400
            async with (
                oms.connect(f"oms:http://127.0.0.1:{proxy.port}/test") as access_point,
                access_point.create_producer() as producer,
            ):

                async def send(sender: int) -> None:
                    for number in range(total // 4):
                        await producer.send(producer.create_message("orders", b"%d.%d" % (sender, number)))

                async with access_point.create_pull_consumer("orders", group="g") as consumer:
                    sending = asyncio.gather(*(send(sender) for sender in range(4)))
                    while len(received) < total:
                        message = await consumer.receive(timeout=20)
                        assert message is not None, f"{len(received)} of {total}"
                        received[message.data] += 1
                        await message.ack()
                    await sending
            async with oms.connect(native) as direct:
                info = await direct.resource_manager().describe_queue("orders")
                assert info.messages == total, "each was stored once, whatever had to be sent again"
            assert proxy.torn > 3, "the test tears too seldom to show anything"
            assert sum(received.values()) - total <= 40 * proxy.torn, "redelivered is only what was in flight"

    with serving(f"oms:embedded://{tmp_path}/store", {"flush": "never"}, http=HTTP) as server:
        run(work(server.node.http.port, server.url))


def start(store: Path, port: int) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(store), "--json"]
    program += ["--listen", "127.0.0.1:0", "--http", f"127.0.0.1:{port}"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["url"]
    return process


def test_a_server_that_is_killed_and_comes_back(tmp_path: Path, unused_port: int) -> None:
    async def work() -> None:
        process = start(tmp_path / "store", unused_port)
        try:
            async with (
                oms.connect(f"oms:http://127.0.0.1:{unused_port}/test") as access_point,
                access_point.create_producer() as producer,
            ):
                await producer.send(producer.create_message("orders", b"first"))
                confirmed, progress = {b"first"}, asyncio.Event()

                async def send() -> None:
                    for number in range(200):
                        body = b"%d" % number
                        await producer.send(producer.create_message("orders", body))
                        confirmed.add(body)
                        progress.set()

                sending = asyncio.ensure_future(send())
                for _ in range(2):
                    seen = len(confirmed)
                    while len(confirmed) < seen + 40:
                        progress.clear()
                        await progress.wait()
                    process.kill()
                    process.wait()
                    process = start(tmp_path / "store", unused_port)
                await sending
                received: set[bytes] = set()
                async with access_point.create_pull_consumer("orders", group="g") as consumer:
                    while confirmed - received:
                        message = await consumer.receive(timeout=10)
                        assert message is not None
                        received.add(message.data)
                        await message.ack()
                assert (await access_point.resource_manager().describe_queue("orders")).messages == 201
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0

    run(work())


def test_without_a_server(unused_port: int) -> None:
    with pytest.raises(OMSRuntimeException, match=r"10000 .*oms serve"):
        run(send_one(f"oms:http://127.0.0.1:{unused_port}/test"))


def test_the_next_host_is_taken(tmp_path: Path, unused_port: int) -> None:
    with serving(f"oms:embedded://{tmp_path}/store", http=HTTP) as server:
        run(send_one(f"oms:http://127.0.0.1:{unused_port},127.0.0.1:{server.node.http.port}/test"))


def test_a_websocket_that_is_opened_and_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "HELLO_TIMEOUT", 0.3)

    async def swallow(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        sink.write(await source.read(1 << 16))
        while await source.read(1 << 16):
            pass

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", port)
        data = await reader.read(1 << 16)
        inner.write(data)
        if b"websocket" in data:
            await asyncio.gather(swallow(reader, inner), swallow(inner_reader, writer))
        else:
            with contextlib.suppress(OSError):
                while data := await inner_reader.read(1 << 16):
                    writer.write(data)
                    inner.write(await reader.read(1 << 16))
        writer.close()
        inner.close()

    async def work() -> None:
        firewall = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        assert await send_one(f"oms:http://127.0.0.1:{firewall.sockets[0].getsockname()[1]}/test") == 0
        firewall.close()

    with serving(f"oms:embedded://{tmp_path}/store", http=HTTP) as server:
        port = server.node.http.port
        run(work())


class Tunnelling:
    """An HTTP proxy that does CONNECT and nothing else, for one who names himself."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        _, _, port = head.split(b" ")[1].rpartition(b":")
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(1 << 16):
                    sink.write(data)
            sink.close()

        await asyncio.gather(one_way(reader, inner), one_way(inner_reader, writer))


@pytest.mark.parametrize("websockets", [True, False])
def test_tls_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, websockets: bool) -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("orders.example").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    async def work() -> None:
        http = HttpSection(trusted_hosts=["orders.example"])
        config = Config(StoreSection(path=f"oms:embedded://{tmp_path}/store"), ListenSection(tcp=""), http)
        node = Node(config)
        await node.start()
        listener = HttpListener(create(node))
        port = await listener.listen("127.0.0.1", 0, server_side)
        proxy = Tunnelling()
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        monkeypatch.setenv("HTTPS_PROXY", f"http://alice:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}")
        if not websockets:
            monkeypatch.setattr(factory._Dial, "_websocket", blocked)
        assert await send_one(f"oms:https://orders.example:{port}/test", {"TLS": client_side}) == 0
        assert proxy.asked[0].startswith(b"CONNECT orders.example:%d HTTP/1.1\r\n" % port)
        assert b"Proxy-Authorization: Basic " + base64.b64encode(b"alice:secret") in proxy.asked[0]
        with pytest.raises(OMSRuntimeException, match=r"10000 .*(?i:certificate)"):
            await send_one(f"oms:https://orders.example:{port}/test")
        await node.server.close()
        await listener.close()
        await node.close()
        server.close()

    async def blocked(*_: object) -> None:
        raise factory.Blocked("by the test")

    run(work())


@pytest.mark.parametrize(
    ("account", "attributes", "expected"),
    [
        ("alice@", {"ACCOUNT_KEY": "s3cret"}, "Basic " + base64.b64encode(b"alice:s3cret").decode()),
        ("", {"ACCOUNT_KEY": "t0ken"}, "Bearer t0ken"),
        ("", {}, None),
    ],
)
def test_who_asks_is_told_and_may_be_refused(account: str, attributes: dict, expected: str | None) -> None:
    heads: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heads.append(head)
        status = "401 Unauthorized" if len(heads) != 2 else "403 Forbidden"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        url = f"oms:http://{account}127.0.0.1:{server.sockets[0].getsockname()[1]}/test"
        for _ in range(2):  # the WebSocket; then, as that is refused otherwise, a request
            with pytest.raises(OMSSecurityException) as caught:
                await send_one(url, attributes)
            assert caught.value.code == 1401
        assert [head.split(" ")[0] for head in heads] == ["GET", "GET", "POST"]
        for head in heads:
            found = [line for line in head.split("\r\n") if line.startswith("Authorization: ")]
            assert found == ([f"Authorization: {expected}"] if expected else [])
        server.close()

    run(work())


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "openmessaging.drivers.http.carriers", raising=False)
    with pytest.raises(OMSRuntimeException, match=r'pip install "openmessaging\[http\]"'):
        run(factory.HttpFactory().open(parse("oms:http://localhost/test"), {}))


@pytest.mark.parametrize("websockets", [True, False])
def test_users_are_those_of_the_native_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, websockets: bool
) -> None:
    path = tmp_path / "users.json"
    token = add_user(path, "alice", "send default://orders", password=hash_password("correct horse", 10))
    if not websockets:

        async def blocked(*_: object) -> None:
            raise factory.Blocked("by the test")

        monkeypatch.setattr(factory._Dial, "_websocket", blocked)

    async def work(port: int) -> None:
        assert await send_one(f"oms:http://127.0.0.1:{port}/test", {"ACCOUNT_KEY": token}) == 0
        assert await send_one(f"oms:http://alice@127.0.0.1:{port}/test", {"ACCOUNT_KEY": "correct horse"}) == 1
        for url, key, code in (("alice@", "wrong", 1401), ("", "", 1401)):
            with pytest.raises(OMSSecurityException) as caught:
                await send_one(f"oms:http://{url}127.0.0.1:{port}/test", {"ACCOUNT_KEY": key})
            assert caught.value.code == code
        async with oms.connect(f"oms:http://127.0.0.1:{port}/test", {"ACCOUNT_KEY": token}) as access_point:
            with pytest.raises(OMSSecurityException, match="1403"):
                await access_point.resource_manager().delete_queue("orders")
            with pytest.raises(OMSSecurityException, match="1403"):
                await (await access_point.get_driver()).begin_backup()

    with serving(f"oms:embedded://{tmp_path}/store", http=HTTP, security={"users": str(path)}) as server:
        run(work(server.node.http.port))


@pytest.mark.parametrize("websockets", [True, False])
def test_a_server_that_stops_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, websockets: bool
) -> None:
    monkeypatch.setattr(channel, "PATIENCE", 0.1)

    async def work() -> None:
        config = Config(StoreSection(path=f"oms:embedded://{tmp_path}/store"), ListenSection(tcp=""))
        node = Node(config)
        await node.start()
        listener = HttpListener(create(node))
        port = await listener.listen("127.0.0.1", 0)
        async with Between(port, websockets=websockets) as way:
            access_point = oms.connect(f"oms:http://127.0.0.1:{way.port}/test")
            await access_point.startup()
            await access_point.resource_manager().create_queue("orders")
            assert node.server.connections == 1
            async with asyncio.timeout(5):
                await node.server.close()
                await listener.close()
                while node.server.connections:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0)
            await node.close()
            await access_point.shutdown()

    run(work())


@pytest.mark.parametrize(
    ("scheme", "host", "proxy"),
    [
        ("https", "orders.example", "http://proxy.example:3128"),
        ("http", "orders.example", None),
        ("https", "inside.example", None),
    ],
)
def test_the_environment_names_a_proxy(
    monkeypatch: pytest.MonkeyPatch, scheme: str, host: str, proxy: str | None
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert factory.proxy_for(scheme, host) == proxy
