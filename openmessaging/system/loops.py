"""Event loops, as seen from whatever thread asks."""

from __future__ import annotations

import asyncio


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this call comes from inside a loop: then it needs not be woken, which is a system call."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:  # a thread without a loop
        return False
