"""Who may connect, and what is told when nothing comes of it."""

import asyncio
import sys
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers import Nats


class Guarded(Nats):
    """A server that knows users; or none, and without JetStream."""

    more = 'authorization { users: [{ user: "alice", password: "secret" }] }'

    def launch(self) -> None:
        super().launch()
        self.kill()
        configuration = self.folder / "js.conf"
        configuration.write_text(f"{configuration.read_text()}\n{self.more}\n")
        self.spawn([self.program("nats-server"), "-c", str(configuration)])


async def code_of(url: str, attributes: dict[str, Any]) -> int:
    try:
        async with oms.connect(url, attributes) as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("q", b""))
    except OMSRuntimeException as failure:
        assert failure.next_step
        return failure.code
    return 1200


async def guarded(server: Nats) -> None:
    url = server.url.replace("://", "://alice@")
    assert await code_of(url, {"ACCOUNT_KEY": "secret"}) == 1200
    assert await code_of(url, {"ACCOUNT_KEY": lambda: "secret"}) == 1200
    assert await code_of(url, {"ACCOUNT_KEY": "wrong"}) == 1401
    assert await code_of(server.url, {"ACCOUNT_KEY": "a token"}) == 1401
    assert await code_of(server.url, {}) == 1401
    assert await code_of(url, {"CREDENTIALS": "nowhere.creds"}) == 10000


def test_users_and_keys() -> None:
    with Guarded() as server:
        asyncio.run(guarded(server))


class Bare(Guarded):
    more = ""

    def launch(self) -> None:
        super().launch()
        self.kill()
        self.spawn([self.program("nats-server"), "-a", "127.0.0.1", "-p", str(self.port), "-m", str(self.monitor_port)])


def test_a_server_without_jetstream_is_told() -> None:
    with Bare() as server:
        assert asyncio.run(code_of(server.url, {})) == 10000


@pytest.mark.parametrize("wrong", [{"partitions": 0}, {"partitions": "1"}, {"sync_always": 1}, {"replicas": 2.0}])
def test_attributes_are_checked(wrong: dict[str, Any]) -> None:
    assert asyncio.run(code_of("oms:nats://127.0.0.1:1/local", wrong)) == 1418


def test_a_key_does_not_go_elsewhere_in_the_clear() -> None:
    assert asyncio.run(code_of("oms:nats://alice@192.0.2.1/local", {"ACCOUNT_KEY": "secret"})) == 1418


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    with pytest.raises(OMSRuntimeException, match=r"openmessaging\[nats\]") as caught:
        asyncio.run(oms.connect("oms:nats://127.0.0.1:1/local").startup())
    assert caught.value.code == 10000
