"""Write-back: what senders wrote without waiting for the disk goes there beside them, a few MiB at a time.

With `flush=interval` and `never` a sender only hands its bytes to the operating system. Left alone they gather there
until the next sync or the end of a segment, which then has to wait for all of them, and every sender with it.
"""

from __future__ import annotations

import threading

from openmessaging.storage.interface import Storage


class Writeback:
    """The thread that does it; without it nothing is wrong, only slower."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="openmessaging-writeback", daemon=True)

    def start(self) -> None:
        """Start the thread when there is something for it to do for the first time."""
        self._storage.on_backlog = self._first

    def stop(self) -> None:
        """Stop the thread, if it runs, and wait for it."""
        self._storage.on_backlog = _nothing
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _first(self) -> None:
        self._storage.on_backlog = self._wake.set
        self._wake.set()
        self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopping:
                return
            self._storage.write_back()


def _nothing() -> None:
    pass
