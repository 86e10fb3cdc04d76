"""Descriptors that a forked child must not share with its parent: locks and connections.

A child that has them keeps a lock of its dead parent, and connections that nobody reads any more.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Described(Protocol):
    """Something with a descriptor."""

    def fileno(self) -> int:
        """The descriptor; below 0 when there is none any more."""
        ...


_private: WeakSet[Described] = WeakSet()


def keep_private(thing: Described) -> None:
    """Have what it is connected to closed in forked children, for as long as it lives."""
    _private.add(thing)


def _close_in_child() -> None:
    """Put nothing in its place: an object that closes its descriptor later must not close somebody else's."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for thing in list(_private):
        descriptor = thing.fileno()
        if descriptor >= 0:
            os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    _private.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
