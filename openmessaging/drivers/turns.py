"""The end of a turn of an event loop, where what the turn brought is sent together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence


def call_all(loop: asyncio.AbstractEventLoop, callbacks: Sequence[Callable[[], object]]) -> None:
    """Call all; one that fails is told to the loop, and keeps no other from being called."""
    for callback in callbacks:
        try:
            callback()
        except Exception as cause:
            loop.call_exception_handler({"message": "a sender failed", "exception": cause})
