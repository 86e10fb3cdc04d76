"""Readers that see a table as it was at a moment: no compaction goes beyond that moment while they read."""

from __future__ import annotations

from openmessaging.model.errors import OMSRuntimeException, error


class Views:
    """All of a store. A view lasts `SECONDS` from its last use. Not for several threads at once."""

    SECONDS = 60.0

    def __init__(self) -> None:
        self._views: dict[int, tuple[dict[int, int], float]] = {}
        self._next = 1

    def open(self, ends: dict[int, int], now: float) -> int:
        """A view of partitions (by id) up to an offset each; returns its number."""
        number, self._next = self._next, self._next + 1
        self._views[number] = ends, now + self.SECONDS
        return number

    def renew(self, number: int, now: float) -> None:
        """Go on. Raises OMSRuntimeException 1418 for a view that is over."""
        ends, deadline = self._views.get(number, ({}, 0.0))
        if deadline <= now:
            raise view_is_over()
        self._views[number] = ends, now + self.SECONDS

    def close(self, number: int) -> None:
        """It is not needed any more; again is no error."""
        self._views.pop(number, None)

    def earliest_end(self, partition_id: int, now: float) -> int | None:
        """The earliest moment that somebody sees of a partition, as an offset; None when nobody does."""
        for number in [number for number, (_, deadline) in self._views.items() if deadline <= now]:
            del self._views[number]
        return min((ends[partition_id] for ends, _ in self._views.values() if partition_id in ends), default=None)


def view_is_over() -> OMSRuntimeException:
    """The error for a reader that was too slow."""
    text = f"this view of the table is over: it was not used for {Views.SECONDS:g} s"
    return error(1418, text, next_step="Read the table again", field="view")
