"""A client that the server does not let in, or not any more: it learns so at once, and comes back when it may."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

import openmessaging as oms
from openmessaging.drivers.oms import channel
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException
from openmessaging.server.security.users import changing
from tests.server.security.helpers import add_user
from tests.servers import Serving, serving


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def token(users: Path) -> str:
    return add_user(users, "alice", "send,receive default://*")


@pytest.fixture
def server(users: Path, token: str) -> Iterator[Serving]:
    with serving("oms:memory:", security={"users": str(users)}) as running:
        yield running


def look_around(server: Serving) -> None:
    async def work() -> None:
        server.node.security.look_around()

    asyncio.run_coroutine_threadsafe(work(), server.loop).result(5)


def take_back(server: Serving, users: Path) -> None:
    with changing(str(users)) as read:
        read.users["alice"].tokens.clear()
    look_around(server)


def test_who_is_not_known_learns_so_at_once(server: Serving) -> None:
    began = time.monotonic()
    for key in ("", "wrong", "oms_01234567_x"):
        with (
            pytest.raises(OMSSecurityException) as caught,
            oms.blocking.connect(server.url, {"ACCOUNT_KEY": key}) as at,
        ):
            at.create_producer().start()
        assert caught.value.code == 1401
    assert time.monotonic() - began < 5


def test_what_is_forbidden_is_raised_to_who_asked(server: Serving, token: str) -> None:
    with oms.blocking.connect(server.url, {"ACCOUNT_KEY": token}) as access_point:
        with access_point.create_producer() as producer:
            producer.send(producer.create_message("orders", b"x"))
            with pytest.raises(OMSSecurityException, match="1403"):
                producer.send(producer.create_message("other://orders", b"x"))
            producer.send(producer.create_message("orders", b"y"))
        with pytest.raises(OMSSecurityException, match="1403"):
            access_point.resource_manager().delete_queue("orders")


def test_a_key_that_is_taken_back_ends_calls_at_once(server: Serving, users: Path, token: str) -> None:
    async def work() -> None:
        connecting = oms.connect(server.url, {"ACCOUNT_KEY": token})
        async with connecting as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
            consumer = access_point.create_pull_consumer("orders", group="kitchen")
            await consumer.start()
            assert await consumer.receive(timeout=5) is not None
            waiting = asyncio.ensure_future(consumer.receive(timeout=60))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(take_back, server, users)
            began = time.monotonic()
            with pytest.raises(OMSSecurityException, match="1401"):
                await waiting
            with pytest.raises(OMSSecurityException, match="1401"):
                await producer.send(producer.create_message("orders", b"y"))
            assert time.monotonic() - began < 5
            await consumer.stop()


def test_acknowledgements_that_cannot_be_told_are_an_error(server: Serving, users: Path, token: str) -> None:
    async def work() -> None:
        connecting = oms.connect(server.url, {"ACCOUNT_KEY": token})
        async with connecting as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
            consumer = access_point.create_pull_consumer("orders", group="kitchen")
            await consumer.start()
            message = await consumer.receive(timeout=5)
            assert message is not None
            await asyncio.to_thread(take_back, server, users)
            await asyncio.sleep(0.1)
            await message.ack()

    with pytest.raises(OMSSecurityException, match="1401"):
        asyncio.run(work())


def test_it_comes_back_when_it_may(server: Serving, users: Path, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is asked for each time may be rotated; who asks again after a refusal has another try."""
    monkeypatch.setattr(channel, "DENIED_PAUSE", 0.0)
    keys = [token]

    async def work() -> None:
        connecting = oms.connect(server.url, {"ACCOUNT_KEY": lambda: keys[-1]})
        async with connecting as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
            await asyncio.to_thread(take_back, server, users)
            with pytest.raises(OMSRuntimeException):
                await producer.send(producer.create_message("orders", b"lost"))
            keys.append(await asyncio.to_thread(add_user, users, "alice", "send default://*"))
            await asyncio.to_thread(look_around, server)
            await producer.send(producer.create_message("orders", b"y"))

    asyncio.run(work())


def test_a_key_that_ends_is_replaced_without_an_error(server: Serving, users: Path, token: str) -> None:
    fresh = add_user(users, "alice", "send default://*")
    look_around(server)
    keys = [token]

    async def work() -> None:
        connecting = oms.connect(server.url, {"ACCOUNT_KEY": lambda: keys[-1]})
        async with connecting as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
            keys.append(fresh)

            def end() -> None:
                with changing(str(users)) as read:
                    del read.users["alice"].tokens[token.split("_")[1]]
                look_around(server)

            ending = asyncio.ensure_future(asyncio.to_thread(end))
            for number in range(50):
                await producer.send(producer.create_message("orders", str(number).encode()))
                await asyncio.sleep(0.01)
            await ending

    asyncio.run(work())
    assert server.node.driver is not None


def test_a_consumer_whose_right_ended_learns_so_and_others_go_on(server: Serving, users: Path, token: str) -> None:
    async def work() -> None:
        connecting = oms.connect(server.url, {"ACCOUNT_KEY": token})
        async with connecting as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
            with pytest.raises(OMSSecurityException, match="1403"):
                consumer = access_point.create_pull_consumer("orders", group="kitchen")
                await consumer.start()
                assert await consumer.receive(timeout=5) is not None

                def restrict() -> None:
                    with changing(str(users)) as read:
                        read.users["alice"].grants = ["send default://*"]
                    look_around(server)
                    server.loop.call_soon_threadsafe(hang_up)

                def hang_up() -> None:
                    for connection in list(server.server._broker.connections):
                        connection.close()

                await asyncio.to_thread(restrict)
                for _ in range(10):
                    await consumer.receive(timeout=2)
            await producer.send(producer.create_message("orders", b"y"))

    asyncio.run(work())


def test_tls_both_ways(tmp_path: Path, users: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server_file, client_file = str(tmp_path / "server.pem"), str(tmp_path / "client.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(server_file)
    shown = authority.issue_cert(common_name="till", organization_name="Shop", organization_unit_name="1")
    shown.private_key_and_cert_chain_pem.write_to_path(client_file)
    add_user(users, "till", "send *", subjects=["O=Shop,OU=1,CN=till"])
    section = {"certificate": server_file, "client_authority": str(tmp_path / "ca.pem")}
    with serving("oms:memory:", tls=section, security={"users": str(users)}) as server:
        attributes = {"TLS_AUTHORITY": str(tmp_path / "ca.pem"), "TLS_CERTIFICATE": client_file}
        with oms.blocking.connect(server.url, attributes) as access_point, access_point.create_producer() as producer:
            assert producer.send(producer.create_message("orders", b"x")).offset == 0
        refuse(lambda: oms.blocking.connect(server.url, {"TLS": True}), 10000)


def refuse(connect: Callable[[], oms.blocking.AccessPoint], code: int) -> None:
    with pytest.raises(OMSRuntimeException) as caught, connect() as access_point:
        access_point.create_producer().start()
    assert caught.value.code == code


def test_a_key_is_not_sent_in_the_clear() -> None:
    refuse(lambda: oms.blocking.connect("oms:oms://alice@192.0.2.7/x", {"ACCOUNT_KEY": "secret"}), 1418)
