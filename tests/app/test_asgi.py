"""Pages over HTTP: under an ASGI server, mounted, and by the own server."""

import asyncio
import json
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.app.asgi import answer, served
from tests.app.program import app as documented


def application() -> oms.App:
    app = oms.App("oms:memory:test-asgi")

    @app.listener("jobs")
    async def work(job: str) -> None: ...

    return app


async def get(app: Any, path: str, method: str = "GET", **scope: Any) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await app({"type": "http", "method": method, "path": path, **scope}, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_an_asgi_server_starts_and_stops_it() -> None:
    app = application()
    serve = app.asgi()
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    life = asyncio.ensure_future(serve({"type": "lifespan"}, inbox.get, outbox.put))
    assert (await get(serve, "/health/ready"))[0] == 503
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    assert (await get(serve, "/health/ready"))[0] == 200
    assert (await get(serve, "/inner/health/live", root_path="/inner"))[0] == 200
    assert (await get(serve, "/health/live", "HEAD"))[1] == b""
    assert (await get(serve, "/health/live", "POST"))[0] == 405
    assert (await get(serve, "/nothing"))[0] == 404
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await life


async def test_a_failed_start_is_told_to_the_server() -> None:
    app = oms.App("oms:kafka://nowhere:1/")
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    with pytest.raises(oms.OMSRuntimeException):
        await app.asgi()({"type": "lifespan"}, receive, outbox.put)
    assert (await outbox.get())["type"] == "lifespan.startup.failed"


def test_documents() -> None:
    status, kind, body = answer(documented, "/asyncapi.json")
    assert (status, kind, json.loads(body)["asyncapi"]) == (200, "application/json", "3.0.0")
    assert b"<html" in answer(documented, "/docs")[2]


async def test_the_own_server_answers() -> None:
    app = application()
    async with app, served(app, "127.0.0.1", 0) as port:

        async def ask(request: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            found = await reader.read()
            writer.close()
            return found

        assert (await ask(b"GET /health/ready?x=1 HTTP/1.1\r\nhost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b" 405 " in await ask(b"POST / HTTP/1.1\r\n\r\n")
        assert await ask(b"nonsense\r\n\r\n") == b""
        assert await ask(b"x" * 100_000 + b"\r\n\r\n") == b""
        assert b" 200 " in await ask(b"GET /health/live HTTP/1.1\r\n\r\n")
