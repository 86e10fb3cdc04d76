"""What orchestrators and Prometheus ask."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families as parse

from openmessaging.server.http import operations
from openmessaging.server.http.table import Route
from tests.server.security.helpers import add_user
from tests.servers import Serving, serving


def test_health(node: Serving, client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"live": True}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
    assert ready.headers["cache-control"] == "no-store"
    node.node.draining = True
    try:
        ending = client.get("/readyz")
    finally:
        node.node.draining = False
    assert (ending.status_code, ending.json()) == (503, {"ready": False, "reasons": ["it is stopping"]})


def test_metrics(client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", content=b"x")
    client.get("/v1/queues/nowhere")
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }
    assert found["oms_queue_messages", f"default://{queue}"] == 1
    assert found["oms_connections", "http"] >= 1
    assert found["oms_errors_total", "1404"] >= 1


def test_only_health_is_for_anyone() -> None:
    assert {route.path for route in operations.ROUTES if isinstance(route, Route) and route.anyone} == {
        "/healthz",
        "/readyz",
    }


def test_a_probe_is_answered_while_the_node_drains(node: Serving, client: httpx.Client) -> None:
    """The delay is there for load balancers: they must be able to ask during it."""
    asked: list[int] = []

    async def drain() -> None:
        node.node.draining = True
        asked.append((await asyncio.to_thread(client.get, "/readyz")).status_code)
        node.node.draining = False

    asyncio.run_coroutine_threadsafe(drain(), node.loop).result(10)
    assert asked == [503]


def test_metrics_are_for_who_may_look_at_everything(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    watcher = add_user(users, "prometheus", "look *")
    worker = add_user(users, "worker", "send,receive default://*")
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}, security={"users": str(users)}) as node:
        codes = [
            httpx.get(f"{node.http}/metrics", headers={"authorization": f"Bearer {key}"} if key else {}).status_code
            for key in (watcher, worker, "")
        ]
        assert codes == [200, 403, 401]
        assert httpx.get(f"{node.http}/readyz").status_code == 200
