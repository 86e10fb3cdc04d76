"""Whether a node is well: what would make a send fail or wait, and how late the event loop is."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

BEAT = 0.5
"""Seconds between looks at the loop."""
_KEPT = 20
"""How many of them count: those of ten seconds."""


class HealthSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When `/readyz` says 503."""

    disk_free_bytes: int = 64 << 20
    """With less room than this on the disk of the store."""
    loop_lag: float = 2.0
    """When the event loop was late by this many seconds within the last ten."""


class Pulse:
    """A task that notices how late the loop is.

    Args:
        on_beat: called with each beat.
    """

    def __init__(self, on_beat: Callable[[], object]) -> None:
        self._on_beat = on_beat
        self._lags: deque[float] = deque([0.0], maxlen=_KEPT)
        self._task: asyncio.Task[None] | None = None

    @property
    def lag(self) -> float:
        """Seconds that the loop was late at worst in the last ten."""
        return max(self._lags)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + BEAT
            await asyncio.sleep(BEAT)
            self._lags.append(max(clock() - due, 0.0))
            self._on_beat()


class Health(msgspec.Struct, frozen=True):
    """An answer to orchestrators."""

    ready: bool
    reasons: list[str]
    """What is wrong, as sentences; empty when nothing is."""


def ready(section: HealthSection, *, draining: bool, runner: Any, path: str, lag: float) -> Health:
    """Whether a node can do its work.

    Args:
        section: the bounds.
        draining: whether it is ending.
        runner: of its store; None when that is elsewhere.
        path: directory of the store; empty: in memory.
        lag: seconds that the loop was late.
    """
    reasons = ["it is stopping"] if draining else []
    if runner is not None and runner.closed and not draining:
        reasons.append("the store is closed")
    failure = runner.committer.failure if runner is not None else None
    if failure is not None:
        reasons.append(f"the store is read-only until it is opened again: {failure.reason}")
    if path:
        try:
            free = shutil.disk_usage(path).free
        except OSError as cause:
            reasons.append(f"the directory of the store cannot be read: {cause.strerror}")
        else:
            if free < section.disk_free_bytes:
                reasons.append(f"the disk has {free:,} bytes left, and shall have {section.disk_free_bytes:,}")
    if lag >= section.loop_lag:
        reasons.append(f"the event loop was late by {lag:.1f} s")
    return Health(not reasons, reasons)
