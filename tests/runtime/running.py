"""Runs a test body of either face to its end."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


def run(body: Callable[[], Any]) -> None:
    """Call a function, or run a coroutine function in a loop of its own."""
    if inspect.iscoroutinefunction(body):
        asyncio.run(body())
    else:
        body()
