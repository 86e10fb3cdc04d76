"""The signals that ask a process to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """While it is entered, the first SIGTERM or SIGINT sets `came`; a second one has its usual effect."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for each in SIGNALS:
            self._before[each] = signal.getsignal(each)
            try:
                self._loop.add_signal_handler(each, self._on_signal)
            except NotImplementedError:  # Windows
                signal.signal(each, self._on_frame)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _on_frame(self, _: int, __: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._on_signal)

    def _on_signal(self) -> None:
        self.came.set()
        self._restore()

    def _restore(self) -> None:
        while self._before:
            each, handler = self._before.popitem()
            with contextlib.suppress(NotImplementedError):
                self._loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL if handler is None else handler)
