"""Runs coroutine tests, and gives each test a store of its own, in memory and in a directory."""

import asyncio
import inspect
import uuid
from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(params=["memory", "embedded"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of this test alone."""
    if request.param == "memory":
        return f"oms:memory:{uuid.uuid4().hex}"
    return f"oms:embedded://{tmp_path}/store"


@pytest.fixture
def memory() -> str:
    """A store in memory, of this test alone."""
    return f"oms:memory:{uuid.uuid4().hex}"
