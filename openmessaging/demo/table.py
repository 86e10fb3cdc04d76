"""Counting flights, and comparing two counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from openmessaging.demo.data import Flight

BUSIEST = 20
"""Origins that get a row of their own."""


class Origin(msgspec.Struct):
    """What was counted for one airport."""

    flights: int = 0
    delay: int = 0
    """Sum, in minutes."""
    late: int = 0

    @property
    def mean_delay(self) -> float:
        """Minutes; 0 without flights."""
        return self.delay / self.flights if self.flights else 0.0

    def plus(self, other: Origin) -> Origin:
        """Both together."""
        return Origin(self.flights + other.flights, self.delay + other.delay, self.late + other.late)


class Tally:
    """Flights counted by origin; equal when everything counted is."""

    def __init__(self) -> None:
        self.origins: dict[str, Origin] = {}

    @classmethod
    def of(cls, flights: Iterable[Flight]) -> Tally:
        """The count straight from the flights, late ones included."""
        tally = cls()
        for flight in flights:
            tally.add(flight)
            if flight.late:
                tally.add_late(flight)
        return tally

    def add(self, flight: Flight) -> None:
        """Count a flight."""
        origin = self._origin(flight)
        origin.flights += 1
        origin.delay += flight.delay

    def add_late(self, flight: Flight) -> None:
        """Count a late flight (besides `add`)."""
        self._origin(flight).late += 1

    @property
    def total(self) -> Origin:
        """All origins together."""
        whole = Origin()
        for origin in self.origins.values():
            whole = whole.plus(origin)
        return whole

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and self.origins == other.origins

    __hash__ = None  # type: ignore[assignment] # it changes

    def _origin(self, flight: Flight) -> Origin:
        origin = self.origins.get(flight.origin)
        if origin is None:
            origin = self.origins[flight.origin] = Origin()
        return origin


class Row(msgspec.Struct, frozen=True):
    """One line of the comparison."""

    name: str
    consumed: Origin
    file: Origin

    @property
    def equal(self) -> bool:
        """Whether both sides are the same."""
        return self.consumed == self.file


def rows(consumed: Tally, file: Tally) -> Iterator[Row]:
    """The comparison: the busiest origins and any that differs, all others together, and everything."""
    names = sorted(file.origins.keys() | consumed.origins.keys(), key=lambda name: (-_of(file, name).flights, name))
    others: list[Row] = []
    for place, name in enumerate(names):
        row = Row(name, _of(consumed, name), _of(file, name))
        if place < BUSIEST or not row.equal:
            yield row
        else:
            others.append(row)
    if others:
        left, right = Origin(), Origin()
        for row in others:
            left, right = left.plus(row.consumed), right.plus(row.file)
        yield Row(f"{len(others)} others", left, right)
    yield Row("all", consumed.total, file.total)


def _of(tally: Tally, name: str) -> Origin:
    return tally.origins.get(name, Origin())
