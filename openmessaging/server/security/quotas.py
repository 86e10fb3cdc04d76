"""What a user may use: messages and bytes per second, connections, stored bytes.

Rates are buckets that hold one second's worth. A batch is let in while something is left, whatever its size, and what
it takes beyond that is owed: a batch larger than a second's worth passes, and the next ones wait for longer.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from openmessaging.model.errors import error


class Quota(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of one user, over all its connections. None: no limit."""

    messages_per_s: float | None = None
    bytes_per_s: float | None = None
    """Bytes of encoded batches."""
    connections: int | None = None
    """Connections of the native protocol, and streams over HTTP."""
    stored_bytes: int | None = None
    """Bytes of encoded batches in all queues that the user may send to, delayed ones too: beyond it he sends nothing
    more until some are consumed."""


class Usage:
    """What one user uses now. For one thread.

    Args:
        name: the user's.
        quota: its limits.
        clock: seconds that only go on.
    """

    def __init__(self, name: str, quota: Quota, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._at = clock()
        self.connections = 0
        self.stored = 0
        """Bytes in the queues it may send to: counted once a second, with what was sent since."""
        self.refused = 0
        """Sends and connections that were refused."""
        self.quota = quota
        self._messages = quota.messages_per_s or 0.0
        self._bytes = quota.bytes_per_s or 0.0

        self.counts = _counts(quota)
        """Whether sends have to be counted."""

    def change(self, quota: Quota) -> None:
        """Other limits from now on; a rate begins anew."""
        if quota != self.quota:
            self.quota = quota
            self.counts = _counts(quota)
            self._messages, self._bytes = quota.messages_per_s or 0.0, quota.bytes_per_s or 0.0

    def check(self) -> None:
        """Raises OMSRuntimeException 1502 while a rate or the space is used up: the same send may succeed later."""
        most = self.quota.stored_bytes
        if most is not None and self.stored >= most:
            self.refused += 1
            text = f"the queues that {self._name} sends to hold {self.stored:,} bytes, the limit is {most:,}"
            raise error(1502, text, next_step="Consume or purge what is there, or ask for more")
        now = self._clock()
        quota, passed = self.quota, max(0.0, now - self._at)
        self._at = now
        wait = 0.0
        if quota.messages_per_s is not None:
            self._messages = min(quota.messages_per_s, self._messages + passed * quota.messages_per_s)
            wait = -self._messages / quota.messages_per_s if self._messages <= 0 else 0.0
        if quota.bytes_per_s is not None:
            self._bytes = min(quota.bytes_per_s, self._bytes + passed * quota.bytes_per_s)
            if self._bytes <= 0:
                wait = max(wait, -self._bytes / quota.bytes_per_s)
        spent = (quota.messages_per_s is not None and self._messages <= 0) or (
            quota.bytes_per_s is not None and self._bytes <= 0
        )
        if spent:
            self.refused += 1
            rate = f"{quota.messages_per_s or '∞'} messages/s, {quota.bytes_per_s or '∞'} bytes/s"
            step = f"Send again in {max(wait, 0.001):.3f} s, or ask for a higher quota"
            raise error(1502, f"{self._name} has used up its rate ({rate})", next_step=step)

    def take(self, messages: int, size_bytes: int) -> None:
        """Count what is sent; after `check`."""
        self._messages -= messages
        self._bytes -= size_bytes
        self.stored += size_bytes

    def enter(self) -> None:
        """One connection more. Raises OMSRuntimeException 1503 when there are enough."""
        most = self.quota.connections
        if most is not None and self.connections >= most:
            self.refused += 1
            text = f"{self._name} has {self.connections} connections, its limit is {most}"
            raise error(1503, text, next_step="Close one, or share one between producers and consumers")
        self.connections += 1

    def leave(self) -> None:
        """One connection less."""
        self.connections -= 1


def _counts(quota: Quota) -> bool:
    return not (quota.messages_per_s is quota.bytes_per_s is quota.stored_bytes is None)
