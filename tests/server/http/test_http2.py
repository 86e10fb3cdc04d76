"""HTTP/2, by prior knowledge."""

from __future__ import annotations

import asyncio

import httpx

from tests.servers import Serving


def test_many_requests_share_a_connection(node: Serving, queue: str) -> None:
    async def work() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=node.http, http1=False, http2=True, timeout=20) as client:
            path = f"/v1/queues/{queue}/messages"
            return await asyncio.gather(*(client.post(path, content=b"%d" % number) for number in range(40)))

    answers = asyncio.run(work())
    assert {(each.http_version, each.status_code) for each in answers} == {("HTTP/2", 200)}
    assert sorted(each.json()["offset"] for each in answers) == list(range(40))


def test_large_bodies_and_errors(node: Serving, queue: str) -> None:
    with httpx.Client(base_url=node.http, http1=False, http2=True, timeout=20) as client:
        assert client.post(f"/v1/queues/{queue}/messages", content=bytes(3 << 20)).status_code == 200
        refused = client.post(f"/v1/queues/{queue}/messages", content=bytes((4 << 20) + 1))
        assert (refused.status_code, refused.json()["code"]) == (413, 1413)
        assert client.get("/v1/nothing").status_code == 404
        assert client.head("/v1/queues").status_code == 200
