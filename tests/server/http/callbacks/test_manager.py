"""Callbacks from a running server to a running receiver."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from openmessaging.model.cloud_event_http import read_structured_mode
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException
from openmessaging.model.http_headers import from_headers
from openmessaging.model.signature import verify_callback
from openmessaging.server.config import CallbacksSection
from openmessaging.server.http.callbacks.manager import rules_of
from openmessaging.server.http.callbacks.registry import QUEUE, Registration, Registry
from tests.server.http.binding.requests import consumed, consuming, produce
from tests.server.http.callbacks.receiver import Call, Receiver
from tests.server.security.helpers import add_user
from tests.servers import Serving, serving

KEY = {"id": "k1", "secret": "a-secret-of-more-than-32-characters"}
OTHER = {"id": "k2", "secret": "another-secret-of-32-characters-or-so"}
KEYS = {KEY["id"]: KEY["secret"]}


def section(**more: Any) -> dict[str, Any]:
    return {
        "hosts": ["127.0.0.1:*"], "networks": ["127.0.0.0/8"], "plain_http": True, "keys": [KEY], "timeout": 1.0,
        **more,
    }  # fmt: skip


@pytest.fixture
def node(queue: str) -> Iterator[Serving]:
    with serving(f"oms:memory:{queue}", http={"listen": "127.0.0.1:0"}, callbacks=section()) as running:
        yield running


def register(client: httpx.Client, queue: str, url: str, **fields: str) -> httpx.Response:
    return client.post("/", headers=consuming(queue, **{"x-oms-callbackURL": url, **fields}))


def in_flight_or_waiting(node: Serving, queue: str, group: str = "group") -> int:
    described = node.node.driver.describe_group(f"default://{queue}", group)
    return asyncio.run_coroutine_threadsafe(described, node.loop).result(5).lag


def settled(node: Serving, queue: str) -> bool:
    deadline = time.monotonic() + 10
    while in_flight_or_waiting(node, queue) and time.monotonic() < deadline:
        time.sleep(0.02)
    return in_flight_or_waiting(node, queue) == 0


def test_a_message_is_posted_signed_and_settled(
    client: httpx.Client, node: Serving, queue: str, receiver: Receiver
) -> None:
    produce(client, queue, b"before", **{"x-oms-p-%4e": "%C3%BC", "x-oms-h-messagekey": "alice"})
    answer = register(client, queue, receiver.url, **{"x-oms-ack": "true"})
    assert (answer.status_code, answer.content) == (200, b"")
    (handshake,) = receiver.handshakes
    assert handshake.fields["x-oms-source"] == f"default://{queue}"
    verify_callback(handshake.pairs, handshake.body, KEYS, time.time())
    produce(client, queue, b"after")
    calls = receiver.wait(2)
    assert sorted(call.body for call in calls) == [b"after", b"before"]
    for call in calls:
        verify_callback(call.pairs, call.body, KEYS, time.time())
        assert call.fields["x-oms-consumerid"] == "group"
        assert call.fields["x-oms-callbackurl"] == receiver.url
        assert call.fields["content-type"] == "application/octet-stream"
    message = from_headers([each for call in calls if call.body == b"before" for each in call.pairs], b"before")
    assert (message.message_key, dict(message.properties)) == ("alice", {"N": "ü"})
    assert settled(node, queue)


def test_what_is_refused_comes_again(client: httpx.Client, node: Serving, queue: str, receiver: Receiver) -> None:
    answers = iter([(500, {}), (302, {"location": "http://127.0.0.1:1/"}), (503, {"retry-after": "0"}), (200, {})])
    receiver.answer = lambda _: next(answers)
    register(client, queue, receiver.url, **{"x-oms-ack": "true"})
    client_backoff(node, queue)
    produce(client, queue, b"a")
    calls = receiver.wait(4)
    assert [call.fields["x-oms-h-deliverycount"] for call in calls] == ["1", "2", "3", "4"]
    assert settled(node, queue)
    assert calls[1].at - calls[0].at > 0.3
    time.sleep(0.2)
    assert len(receiver.calls) == 4


def client_backoff(node: Serving, queue: str) -> None:
    """Let failed messages of the group come back soon."""
    from openmessaging.model.spi import Backoff, GroupConfig, SubscriptionSpec

    spec = SubscriptionSpec(
        f"default://{queue}", "group", GroupConfig(backoff=Backoff(initial=0.05, factor=1.0)), update=True
    )
    asyncio.run_coroutine_threadsafe(node.node.driver.subscribe(spec), node.loop).result(5)


def test_no_answer_in_time_is_a_failure(client: httpx.Client, node: Serving, queue: str, receiver: Receiver) -> None:
    release = threading.Event()

    def answer(call: Call) -> tuple[int, dict[str, str]]:
        if call.fields["x-oms-h-deliverycount"] == "1":
            release.wait(10)
        return 200, {}

    receiver.answer = answer
    register(client, queue, receiver.url, **{"x-oms-ack": "true"})
    client_backoff(node, queue)
    produce(client, queue, b"a")
    assert [call.fields["x-oms-h-deliverycount"] for call in receiver.wait(2)] == ["1", "2"]
    assert settled(node, queue)
    release.set()


def test_at_most_once(client: httpx.Client, node: Serving, queue: str, receiver: Receiver) -> None:
    receiver.answer = lambda _: (500, {})
    register(client, queue, receiver.url)
    produce(client, queue, b"a")
    receiver.wait(1)
    assert settled(node, queue)
    time.sleep(1.0)
    assert len(receiver.calls) == 1


def test_qos_1_is_posted_once(client: httpx.Client, node: Serving, queue: str, receiver: Receiver) -> None:
    receiver.answer = lambda _: (500, {})
    register(client, queue, receiver.url, **{"x-oms-ack": "true"})
    produce(client, queue, b"a", **{"x-oms-h-qos": "1"})
    receiver.wait(1)
    assert settled(node, queue)
    assert len(receiver.calls) == 1


def test_an_empty_url_stops(client: httpx.Client, node: Serving, queue: str, receiver: Receiver) -> None:
    register(client, queue, receiver.url, **{"x-oms-ack": "true"})
    produce(client, queue, b"a")
    receiver.wait(1)
    assert settled(node, queue)
    for _ in range(2):
        assert register(client, queue, "").status_code == 200
    produce(client, queue, b"b")
    assert consumed(client, queue, **{"x-oms-waitmills": "5000"}).content == b"b"
    assert len(receiver.calls) == 1


def test_gone_stops_for_good(client: httpx.Client, node: Serving, queue: str, receiver: Receiver) -> None:
    receiver.answer = lambda _: (410, {})
    register(client, queue, receiver.url, **{"x-oms-ack": "true"})
    client_backoff(node, queue)
    produce(client, queue, b"a")
    receiver.wait(1)
    deadline = time.monotonic() + 5
    while node.node.http.app.callbacks.running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not node.node.http.app.callbacks.running
    assert consumed(client, queue, **{"x-oms-waitmills": "5000"}).content == b"a"
    assert len(receiver.calls) == 1


def test_a_second_url_replaces_the_first(client: httpx.Client, queue: str, receiver: Receiver) -> None:
    other = Receiver()
    try:
        register(client, queue, receiver.url, **{"x-oms-ack": "true"})
        assert register(client, queue, other.url, **{"x-oms-ack": "true"}).status_code == 200
        produce(client, queue, b"a")
        other.wait(1)
        assert not receiver.calls
    finally:
        other.close()


def test_as_cloudevents(client: httpx.Client, queue: str, receiver: Receiver) -> None:
    register(client, queue, receiver.url, accept="application/cloudevents+json", **{"x-oms-ack": "true"})
    produce(client, queue, b"a")
    (call,) = receiver.wait(1)
    assert call.fields["content-type"] == "application/cloudevents+json"
    assert read_structured_mode(call.body).data == b"a"
    verify_callback(call.pairs, call.body, KEYS, time.time())
    register(client, queue, receiver.url, **{"x-oms-ack": "true", "ce-specversion": "1.0"})
    produce(client, queue, b"b")
    call = receiver.wait(2)[1]
    assert (call.fields["ce-type"], call.body) == ("openmessaging.message", b"b")
    verify_callback(call.pairs, call.body, KEYS, time.time())
    assert register(client, queue, receiver.url, accept="application/cloudevents-batch+json").status_code == 400


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("http://127.0.0.2:1/", 403, 1403),
        ("https://example.org/", 403, 1403),
        ("ftp://127.0.0.1/", 400, 1418),
        ("http://a@127.0.0.1/", 400, 1418),
        ("http://127.0.0.1:1/", 400, 1418),
    ],
)
def test_addresses_that_are_not_taken(client: httpx.Client, queue: str, url: str, status: int, code: int) -> None:
    answer = register(client, queue, url)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["field"] == "x-oms-callbackurl"


@pytest.mark.parametrize("proof", [lambda _: b"", lambda _: b"yes", lambda challenge: challenge[:-1].encode()])
def test_who_does_not_prove_himself(client: httpx.Client, queue: str, receiver: Receiver, proof: Any) -> None:
    receiver.proof = proof
    answer = register(client, queue, receiver.url)
    assert (answer.status_code, answer.json()["code"]) == (400, 1418)
    assert "challenge" in answer.text
    produce(client, queue, b"a")
    assert consumed(client, queue).content == b"a"
    assert not receiver.calls


def test_without_hosts_there_are_none(queue: str) -> None:
    with (
        serving(f"oms:memory:off-{queue}", http={"listen": "127.0.0.1:0"}) as node,
        httpx.Client(base_url=node.http) as client,
    ):
        answer = register(client, queue, "https://example.org/")
        assert (answer.status_code, answer.json()["class"]) == (400, "OMSUnsupportException")


def test_there_is_an_end_to_how_many(queue: str, receiver: Receiver) -> None:
    url = f"oms:memory:few-{queue}"
    with (
        serving(url, http={"listen": "127.0.0.1:0"}, callbacks=section(maximum=1)) as node,
        httpx.Client(base_url=node.http) as client,
    ):
        assert register(client, queue, receiver.url).status_code == 200
        assert register(client, queue, receiver.url).status_code == 200
        answer = register(client, f"{queue}-2", receiver.url)
        assert (answer.status_code, answer.json()["code"]) == (409, 1415)


def test_registrations_survive_a_restart_and_keys_rotate(tmp_path: Any, queue: str, receiver: Receiver) -> None:
    def running(**more: Any) -> Any:
        return serving(str(tmp_path), http={"listen": "127.0.0.1:0"}, callbacks=section(**more))

    with running() as node, httpx.Client(base_url=node.http) as client:
        register(client, queue, receiver.url, **{"x-oms-ack": "true"})
        register(client, f"{queue}-stopped", receiver.url)
        register(client, f"{queue}-stopped", "")
    with running(keys=[OTHER, KEY]) as node, httpx.Client(base_url=node.http) as client:
        produce(client, queue, b"a")
        (call,) = receiver.wait(1)
        for key in (KEY, OTHER):
            verify_callback(call.pairs, call.body, {key["id"]: key["secret"]}, time.time())
        assert len(node.node.http.app.callbacks.running) == 1
        assert settled(node, queue)
        register(client, queue, receiver.url, **{"x-oms-ack": "true"})
    with running(keys=[OTHER]) as node, httpx.Client(base_url=node.http) as client:
        produce(client, queue, b"b")
        call = receiver.wait(2)[1]
        with pytest.raises(OMSSecurityException):
            verify_callback(call.pairs, call.body, KEYS, time.time())
    with running(keys=[KEY]) as node:
        assert not node.node.http.app.callbacks.running


def test_a_registration_cannot_be_forged(client: httpx.Client, node: Serving, queue: str, receiver: Receiver) -> None:
    register(client, queue, receiver.url)
    forged = msgspec.json.encode(Registration("default://secret", "g", receiver.url, False, user="root"))
    produce(
        client, QUEUE, forged, **{"x-oms-h-messagekey": "g%2Fdefault://secret".replace("%2F", "/"), "x-oms-p-seal": "x"}
    )
    registry = Registry(node.node.driver, KEYS)
    found = asyncio.run_coroutine_threadsafe(registry.load(), node.loop).result(5)
    assert [each.queue for each in found] == [f"default://{queue}"]


def test_who_may_not_receive_may_not_be_called(tmp_path: Path, queue: str, receiver: Receiver) -> None:
    users = tmp_path / "users.json"
    good = add_user(users, "good", f"send,receive,manage default://{queue}")
    bad = add_user(users, "bad", f"send default://{queue}")
    sections = {"callbacks": section(), "security": {"users": str(users)}}
    with serving(f"oms:memory:{queue}", http={"listen": "127.0.0.1:0"}, **sections) as node:
        client = httpx.Client(base_url=node.http)
        with client:
            assert register(client, queue, receiver.url).status_code == 401
            client.headers["authorization"] = f"Bearer {bad}"
            assert register(client, queue, receiver.url).status_code == 403
            assert not receiver.handshakes
            client.headers["authorization"] = f"Bearer {good}"
            assert register(client, queue, receiver.url, **{"x-oms-ack": "true"}).status_code == 200
            produce(client, queue, b"a")
            receiver.wait(1)
            add_user(users, "good", f"send default://{queue}")
            asyncio.run_coroutine_threadsafe(reloaded(node), node.loop).result(5)
            produce(client, queue, b"b")
            time.sleep(0.5)
            assert len(receiver.calls) == 1


async def reloaded(node: Serving) -> None:
    node.node.security.reload()


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"keys": []}, "callbacks.keys"),
        ({"keys": [{"id": "a", "secret": "short"}]}, "callbacks.keys"),
        ({"keys": [KEY, KEY]}, "callbacks.keys"),
        ({"keys": [{**KEY, "id": "a=b"}]}, "callbacks.keys"),
        ({"hosts": ["https://example.org"]}, "callbacks.hosts"),
        ({"networks": ["10.0.0.1/8"]}, "callbacks.hosts"),
        ({"timeout": 0.0}, "callbacks"),
    ],
)
def test_configurations_that_cannot_be_meant(config: dict[str, Any], field: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        rules_of(msgspec.convert(section(**config), CallbacksSection))
    assert (caught.value.code, caught.value.field) == (1418, field)
