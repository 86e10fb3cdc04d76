"""Clients as an operator sees them, natively and over HTTP."""

import httpx
import pytest

import openmessaging.blocking as oms
from openmessaging.server.clients import as_address
from tests.servers import serving


def test_who_is_connected() -> None:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}) as node:
        url = f"{node.http}/v1/connections"
        assert httpx.get(url).json() == {"http": 1, "connections": []}
        with oms.connect(node.url) as access_point:
            access_point.resource_manager().create_queue("orders")
            with access_point.create_pull_consumer("orders", group="kitchen") as consumer:
                assert consumer.batch_receive(1, timeout=0.01) == []
                (client,) = httpx.get(url).json()["connections"]
            (later,) = httpx.get(url).json()["connections"]
        assert client["user"] == "local"
        assert client["client"]
        assert client["address"].startswith("127.0.0.1:")
        assert client["groups"] == [["default://orders", "kitchen"]]
        assert (client["storingBytes"], client["reads"]) == (0, True)
        assert client["sinceMs"] >= node.node.started_ms
        assert later["groups"] == []


@pytest.mark.parametrize(
    ("name", "text"), [(("127.0.0.1", 5), "127.0.0.1:5"), (("::1", 5, 0, 0), "[::1]:5"), ("", ""), (None, "")]
)
def test_addresses(name: object, text: str) -> None:
    assert as_address(name) == text
