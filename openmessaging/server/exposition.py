"""Metrics as text: families of samples in the exposition format of Prometheus, version 0.0.4.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for durations: from a tenth of a millisecond to ten seconds."""
_EXACT = 1 << 53
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Sample = tuple[str, str, float]
"""What is added to the family's name, labels as `labels` writes them, value."""


def labels(names: Mapping[str, str]) -> str:
    """Labels as they stand in a sample: written once for all samples that have them."""
    shown = ",".join(f'{name}="{text.translate(_ESCAPES)}"' for name, text in names.items())
    return f"{{{shown}}}" if shown else ""


class Family(msgspec.Struct):
    """Samples of one name."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    samples: list[Sample] = []

    def add(self, value: float, names: Mapping[str, str]) -> None:
        """Add a sample with labels."""
        self.samples.append(("", labels(names), value))


def single(name: str, kind: Literal["gauge", "counter"], help: str, value: float) -> Family:
    """A family of one sample without labels."""
    return Family(name, kind, help, [("", "", value)])


class Histogram:
    """Counts of observed values by bound. `observe` is for one thread at a time; a reader may run beside it."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def bounds(self) -> Sequence[float]:
        """Upper bounds of the buckets; behind them is one more."""
        return self._bounds

    def counts(self) -> list[int]:
        """Values observed so far, by bucket."""
        return list(self._counts)

    def family(self, name: str, help: str) -> Family:
        """What was observed so far."""
        family = Family(name, "histogram", help)
        total = 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self.counts(), strict=True):
            total += count
            family.samples.append(("_bucket", f'{{le="{bound}"}}', total))
        family.samples.append(("_sum", "", self._sum))
        family.samples.append(("_count", "", total))
        return family


def text(family: Family) -> str:
    """A family in a scrape; nothing when it has no samples."""
    name = family.name
    lines = [
        f"{name}{suffix}{shown} {int(value) if value == int(value) and abs(value) < _EXACT else float(value)!r}\n"
        for suffix, shown, value in family.samples
    ]
    if lines:
        lines.insert(0, f"# HELP {name} {family.help.translate(_ESCAPES)}\n# TYPE {name} {family.kind}\n")
    return "".join(lines)
