"""`oms rpc`."""

import pytest

from openmessaging import blocking as oms
from openmessaging.model.errors import error
from tests.cli.conftest import Oms


def test_services_and_what_they_did(oms_cli: Oms) -> None:
    with (
        oms.connect(oms_cli.url) as access_point,
        access_point.create_service("prices", lambda request: b"1", group="a"),
        access_point.create_service("health", lambda request: b"1", group="b"),
    ):
        oms_cli("request", "prices")
        listed = oms_cli.json("rpc", "list")
        assert [(each["queue"], each["group"]) for each in listed] == [
            ("default://health", "b"),
            ("default://prices", "a"),
        ]
        assert "default://prices" in oms_cli("rpc", "list", "prices").stdout
        [pinged] = oms_cli.json("rpc", "ping", "prices")
        assert (pinged["requests"], pinged["errors"]) == (1, 0)
        assert pinged["ms"] > 0
        assert "requests" in oms_cli("rpc", "ping").stdout


def test_one_that_does_not_answer(oms_cli: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise error(1503, "it is gone", next_step="Ask another one")

    monkeypatch.setattr(oms.Producer, "ping", gone)
    with oms.connect(oms_cli.url) as access_point, access_point.create_service("prices", lambda request: b"1"):
        assert "-" in oms_cli("rpc", "ping", code=1).stdout
        [pinged] = oms_cli.json("rpc", "ping", code=1)
        assert "it is gone" in pinged["error"]


def test_none_at_work(oms_cli: Oms) -> None:
    with oms.connect(oms_cli.url):
        assert oms_cli.json("rpc", "list") == []
        assert oms_cli.json("rpc", "ping") == []
