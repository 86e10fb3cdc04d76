"""Runs coroutine tests, and gives each test a store of its own, in memory and in a directory."""

import asyncio
import inspect
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firewall import without_websockets
from tests.servers import serving


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(params=["memory", "embedded", "oms", "http", "requests"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store of this test alone: in memory, in a directory, behind a server, behind HTTP (WebSocket; requests)."""
    if request.param == "memory":
        yield f"oms:memory:{uuid.uuid4().hex}"
    elif request.param == "embedded":
        yield f"oms:embedded://{tmp_path}/store"
    elif request.param == "oms":
        with serving(f"oms:memory:{uuid.uuid4().hex}") as server:
            yield server.url
    else:
        if request.param == "requests" and "random_moments" in request.node.name:
            pytest.skip("cancels faster than a request is answered")
        with serving(f"oms:memory:{uuid.uuid4().hex}", http={"listen": "127.0.0.1:0"}) as server:
            if request.param == "http":
                yield f"oms:{server.http}/test"
            else:
                with without_websockets(server.node.http.port) as port:
                    yield f"oms:http://127.0.0.1:{port}/test"


@pytest.fixture
def memory() -> str:
    """A store in memory, of this test alone."""
    return f"oms:memory:{uuid.uuid4().hex}"
