"""Stub until the HTTP listener is there."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.transport.tunnel import Tunnel
from openmessaging.server.connection import Connection
from tests.servers import serving


@contextmanager
def serving_http(url, *args, websockets: bool = True, **kw) -> Iterator:
    with serving(url, *args, **kw) as server:
        broker = server.node.server.broker
        sessions = server.node.server.sessions

        async def native(request: web.Request):
            if not websockets:
                return web.Response(status=403)
            socket = web.WebSocketResponse(max_msg_size=0)
            await socket.prepare(request)

            async def receive() -> bytes:
                message = await socket.receive()
                return message.data if message.type == web.WSMsgType.BINARY else b""

            await Tunnel(Connection(broker)).run(receive, socket.send_bytes)
            await socket.close()
            return socket

        async def up(request: web.Request):
            at = int(request.query["at"])
            session = sessions.begin(request.match_info["s"]) if at == 0 else sessions.find(request.match_info["s"])
            if session is None:
                return web.Response(status=404)
            await session.put(at, await request.read())
            return web.Response(status=204)

        async def down(request: web.Request):
            session = sessions.find(request.match_info["s"])
            if session is None:
                return web.Response(status=404)
            try:
                data = await session.get(int(request.query["at"]), float(request.query["wait"]))
            except OMSRuntimeException as e:
                return web.Response(status=400, text=str(e))
            return web.Response(status=404 if data is None else 200, body=data)

        async def end(request: web.Request):
            session = sessions.find(request.match_info["s"])
            if session is None:
                return web.Response(status=404)
            await session.hang_up()
            return web.Response(status=204)

        async def start():
            app = web.Application(client_max_size=1 << 22)
            app.router.add_get("/v1/native", native)
            app.router.add_post("/v1/native/{s}/up", up)
            app.router.add_post("/v1/native/{s}/down", down)
            app.router.add_post("/v1/native/{s}/end", end)
            runner = web.AppRunner(app, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            return runner, runner.addresses[0][1]

        runner, port = asyncio.run_coroutine_threadsafe(start(), server.loop).result(10)
        server.http_port = port
        yield server
        asyncio.run_coroutine_threadsafe(runner.cleanup(), server.loop).result(10)
