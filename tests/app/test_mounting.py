"""Inside FastAPI: one life, pages below a path, sending from a request, and FastAPI's own markers."""

import asyncio
from typing import Annotated

import fastapi
import httpx

import openmessaging as oms


async def test_fastapi_starts_and_stops_it_and_sends_from_a_request() -> None:
    app = oms.App("oms:memory:test-mounting")
    seen: list[str] = []
    handled = asyncio.Event()

    def greeting() -> str:
        return "hello"

    @app.listener("names", sends_to="greetings")
    async def greet(name: str, greeting: Annotated[str, fastapi.Depends(greeting)]) -> str:
        seen.append(name)
        handled.set()
        return f"{greeting} {name}"

    api = fastapi.FastAPI(lifespan=app.asgi_lifespan)
    api.mount("/messaging", app.asgi())

    @api.post("/names/{name}")
    async def post(name: str) -> str:
        return (await app.send("names", name)).message_id

    async with (
        api.router.lifespan_context(api),
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://test") as client,
    ):
        assert (await client.get("/messaging/health/ready")).json() == {"live": True, "ready": True, "reasons": []}
        assert (await client.post("/names/alice")).status_code == 200
        document = (await client.get("/messaging/asyncapi.json")).json()
        assert document["operations"]["greet"]["action"] == "receive"
        assert "<html" in (await client.get("/messaging/docs")).text
        await handled.wait()
    assert app.health().ready is False
    assert seen == ["alice"]
