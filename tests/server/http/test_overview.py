"""How the broker is doing, over HTTP."""

from __future__ import annotations

import json

import httpx

import openmessaging.blocking as oms
from tests.servers import Serving


def events(response: httpx.Response, count: int) -> list[tuple[str, dict]]:
    """The first so many events."""
    found: list[tuple[str, dict]] = []
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            found.append((name, json.loads(line[6:])))
            if len(found) == count:
                break
    return found


def fresh(client: httpx.Client, queue: str | None = None) -> dict:
    """A sample that is taken after this call."""
    query = {"stream": "true", **({"queue": queue} if queue else {})}
    with client.stream("GET", "/v1/rates", params=query) as response:
        assert response.headers["content-type"] == "text/event-stream"
        seen = events(response, 4)
    assert [name for name, _ in seen] == ["series", "now", "sample", "sample"]
    return seen[-1][1]


def test_sums_over_all_queues(node: Serving, client: httpx.Client, queue: str) -> None:
    before = client.get("/v1/overview").json()
    assert before["user"] == "local"
    assert before["startedMs"] == node.node.started_ms
    with oms.connect(node.url) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message(queue, b"x") for _ in range(3)])
        producer.send(producer.create_message(queue, b"later", delay=600))
        with access_point.create_pull_consumer(queue, group="g") as consumer:
            kept, dead = consumer.batch_receive(2, timeout=5)
            kept.ack()
            dead.reject("no")
            consumer.flush()
            sample = fresh(client)
            after = client.get("/v1/overview").json()
            one = fresh(client, queue)
    changed = {name: after[name] - before[name] for name in ("queues", "messages", "delayed", "lag", "deadLetters")}
    assert changed == {"queues": 2, "messages": 4, "delayed": 1, "lag": 1, "deadLetters": 1}
    assert sample["connections"] == 1
    assert (one["lag"], one["busy"]) == (1, [])
    busy = {each["name"] for each in sample["busy"]}
    assert busy <= {f"default://{queue}", f"default://{queue}.g.dead-letter"}


def test_dead_letters_that_were_sent_back_do_not_count(node: Serving, client: httpx.Client, queue: str) -> None:
    fresh(client)
    before = client.get("/v1/overview").json()["deadLetters"]
    with oms.connect(node.url) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message(queue, b"x"))
        with access_point.create_pull_consumer(queue, group="g") as consumer:
            consumer.batch_receive(1, timeout=5)[0].reject("no")
            consumer.flush()
        fresh(client)
        assert client.get("/v1/overview").json()["deadLetters"] == before + 1
        access_point.resource_manager().redrive(queue, "g")
    fresh(client)
    assert client.get("/v1/overview").json()["deadLetters"] == before


def test_series_have_columns_of_one_length(client: httpx.Client) -> None:
    fresh(client)
    series = client.get("/v1/rates").json()
    assert len({len(column) for column in series.values()}) == 1
    assert len(series["atMs"]) >= 2


def test_rates_of_a_queue_that_is_not_there(client: httpx.Client) -> None:
    assert client.get("/v1/rates", params={"queue": "none"}).json()["code"] == 1404
