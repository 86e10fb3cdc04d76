"""Opening Kafka: settings, and what happens when nothing answers."""

import asyncio
import builtins
import sys
import time
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.drivers.kafka.factory import settings_of
from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers import free_port

HERE = parse("oms:kafka://alice@127.0.0.1,[::1]:19092/eu")


def test_settings_come_from_the_url_and_the_attributes() -> None:
    plain = settings_of(HERE, {})
    assert plain["bootstrap.servers"] == "127.0.0.1:9092,[::1]:19092"
    assert plain["security.protocol"] == "PLAINTEXT"
    secure = settings_of(HERE, {"ACCOUNT_KEY": lambda: "s", "TLS": True, "TLS_AUTHORITY": "ca.pem"})
    assert secure["security.protocol"] == "SASL_SSL"
    assert secure["ssl.ca.location"] == "ca.pem"
    assert (secure["sasl.username"], secure["sasl.password"], secure["sasl.mechanism"]) == ("alice", "s", "PLAIN")
    own = settings_of(HERE, {"TLS": "no", "KAFKA_SETTINGS": {"sasl.mechanism": "SCRAM-SHA-256", "client.id": "me"}})
    assert (own["client.id"], own["security.protocol"]) == ("me", "PLAINTEXT")


def test_settings_that_cannot_be_are_refused() -> None:
    for attributes in ({"TLS": object()}, {"KAFKA_SETTINGS": "x"}):
        with pytest.raises(OMSRuntimeException) as refused:
            settings_of(HERE, attributes)
        assert refused.value.code == 1418
    with pytest.raises(OMSRuntimeException, match="without TLS"):
        settings_of(parse("oms:kafka://alice@example.org/eu"), {"ACCOUNT_KEY": "s"})


def failing(url: str, attributes: dict[str, Any]) -> OMSRuntimeException:
    async def connect() -> None:
        async with oms.connect(url, attributes):
            pass

    with pytest.raises(OMSRuntimeException) as refused:
        asyncio.run(connect())
    return refused.value


def test_a_port_where_nobody_is_fails_in_time() -> None:
    began = time.monotonic()
    failure = failing(f"oms:kafka://127.0.0.1:{free_port()}/eu", {})
    assert failure.code == 10000
    assert "Connection refused" in failure.reason
    assert failure.next_step == "Check the address and that Kafka is there"
    assert time.monotonic() - began < 20


def test_a_setting_that_the_client_does_not_know_is_named() -> None:
    failure = failing("oms:kafka://127.0.0.1/eu", {"KAFKA_SETTINGS": {"no.such.thing": 1}})
    assert failure.code == 1418
    assert "no.such.thing" in failure.reason


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "confluent_kafka":
            raise ModuleNotFoundError("gone", name="confluent_kafka")
        return original(name, *rest, **more)

    for name in [name for name in sys.modules if name.startswith("openmessaging.drivers.kafka.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    failure = failing("oms:kafka://127.0.0.1/eu", {})
    assert failure.code == 10000
    assert 'pip install "openmessaging[kafka]"' in failure.next_step
