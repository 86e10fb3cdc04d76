"""Names of queues as names in systems that allow fewer characters, both ways.

    default://orders        orders              a queue of the default namespace has its own name
    sales://orders          sales__-orders      another namespace stands in front
    default://a b           a__20b              what a system does not allow: each byte of its UTF-8 as two hex digits
    default://a__b          a__5f_b             two underscores in a row: the first one is written so
    partition 3 of orders   orders__p3          where a system needs a name per partition

So usual names stay as they are, and no two queues share a name.
"""

from __future__ import annotations

import re

from openmessaging.model.destination import DEFAULT_NAMESPACE, split_name
from openmessaging.model.errors import OMSRuntimeException

_ESCAPE = re.compile(r"__([0-9a-f]{2})")
_PARTITION = re.compile(r"__p(\d+)\Z")
_BETWEEN = "__-"


class Naming:
    """The rule for one system: `allowed` are the characters beyond ASCII letters, digits, `_` and `-`."""

    def __init__(self, allowed: str = "") -> None:
        self._refused = re.compile(rf"[^A-Za-z0-9_\-{re.escape(allowed)}]|_(?=_)")

    def native(self, name: str, partition: int | None = None) -> str:
        """The system's name of a queue (full name), or of one of its partitions."""
        namespace, queue = split_name(name)
        written = self._written(queue)
        if namespace != DEFAULT_NAMESPACE:
            written = self._written(namespace) + _BETWEEN + written
        return written if partition is None else f"{written}__p{partition}"

    def group(self, name: str) -> str:
        """The system's name of a consumer group."""
        return self._written(name)

    def group_of(self, native: str) -> str:
        """The consumer group that a system's name stands for; a name that none of ours has stands for itself."""
        try:
            name = _read(native)
        except ValueError:
            return native
        return name if self._written(name) == native else native

    def full(self, native: str) -> tuple[str, int | None] | None:
        """Full name and partition that a system's name stands for; None for a name that no queue of ours has."""
        found = _PARTITION.search(native)
        partition = int(found[1]) if found else None
        namespace, between, queue = native[: found.start() if found else None].rpartition(_BETWEEN)
        try:
            name = f"{_read(namespace) if between else DEFAULT_NAMESPACE}://{_read(queue)}"
            split_name(name)
        except (ValueError, OMSRuntimeException):
            return None
        return (name, partition) if self.native(name, partition) == native else None

    def _written(self, text: str) -> str:
        return self._refused.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"__{byte:02x}" for byte in found[0].encode())


def _read(text: str) -> str:
    raw = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return raw.encode("latin-1").decode() if _ESCAPE.search(text) else raw
