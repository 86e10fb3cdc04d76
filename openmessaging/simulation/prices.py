"""Messages that expire, and what became of them, remembered apart from the store that has them."""

from __future__ import annotations

from collections.abc import Iterable


class Prices:
    """By name: nothing is received when it has expired, and what was not received lies, once, in the queue of the
    expired."""

    def __init__(self) -> None:
        self.expires: dict[str, int] = {}
        self.sent: set[str] = set()
        self._received: set[str] = set()
        self._acknowledged: set[str] = set()
        self._settled: set[str] = set()
        """Acknowledged, and that is durable."""
        self._old: set[str] = set()

    def received(self, name: str, now_ms: int) -> None:
        """A delivery that began at a time, by the store's clock."""
        assert name in self.expires, f"{name} was never sent"
        assert self.expires[name] > now_ms, f"{name} was handed out {now_ms - self.expires[name]} ms too late"
        assert name not in self._settled, f"{name} came again after its acknowledgement was durable"
        assert name not in self._old, f"{name} came although it had expired before"
        self._received.add(name)

    def acknowledged(self, name: str) -> None:
        """An acknowledgement was taken."""
        self._acknowledged.add(name)

    def reopened(self) -> None:
        """The store was opened anew: acknowledgements that were not durable may be gone."""
        self._acknowledged = set(self._settled)

    def flushed(self) -> None:
        """All acknowledgements are durable."""
        self._settled |= self._acknowledged

    def check(self, old: Iterable[tuple[str, int]]) -> None:
        """What lies in the queue of the expired, with the time by the store's clock at which it was put there."""
        names: set[str] = set()
        for name, at_ms in old:
            assert name in self.expires, f"{name} was never sent"
            assert name not in names, f"{name} expired twice"
            assert at_ms >= self.expires[name], f"{name} expired before its time"
            assert name not in self._settled, f"{name} expired after its acknowledgement was durable"
            names.add(name)
        assert self._old <= names, f"{self._old - names} had expired, and are gone"
        self._old = names

    def check_complete(self) -> None:
        """Everything whose send returned was received or has expired."""
        missing = self.sent - self._received - self._old
        assert not missing, f"{missing} were neither received nor counted as expired"
