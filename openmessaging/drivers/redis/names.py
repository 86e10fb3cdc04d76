"""Names of keys, and entry ids as offsets.

A stream `orders` is the queue `default://orders` with one partition; `orders__p0`, `orders__p1`… are the partitions
of a queue with several. What else the driver keeps lies in keys that begin with `__oms`, which no queue's name does.

An entry id `<ms>-<sequence>` is the offset `ms * 2^20 + sequence`: offsets ascend, and have holes.
"""

from __future__ import annotations

from openmessaging.drivers.naming import Naming
from openmessaging.model.errors import error

NAMING = Naming(".:")
REGISTRY = "__oms:partitions"
"""Hash: full name of a queue to its number of partitions."""
CONFIG = "__oms:config"
"""Hash: full name of a queue to its settings as JSON."""
NAMESPACES = "__oms:namespaces"
"""Set of namespaces beside the default one."""
WAITING = "oms-waiting"
"""The consumer that holds what waits for its next attempt."""
_SEQUENCE_BITS = 20
_LAST = (1 << 64) - 1


def stream(queue: str, partition: int, partitions: int) -> str:
    """Key of a partition of a queue (full name)."""
    return NAMING.native(queue, partition if partitions > 1 else None)


def streams(queue: str, partitions: int) -> list[str]:
    """Keys of all partitions."""
    return [stream(queue, partition, partitions) for partition in range(partitions)]


def groups(queue: str) -> str:
    """Key of the hash with the settings of a queue's groups."""
    return f"__oms:groups/{NAMING.native(queue)}"


def retry(of_stream: str, group: str) -> str:
    """Key of the sorted set of what waits: entry ids by the time of their next attempt, ms since the epoch."""
    return f"__oms:retry/{of_stream}/{group}"


def consumer(token: str, invisible_time: float) -> str:
    """Name of a consumer whose leases last so many seconds: others read that from it."""
    return f"oms-{max(int(invisible_time * 1000), 1)}-{token}"


def offset_of(entry: bytes) -> int | None:
    """The offset of an entry; None for an id that another program chose, beyond what an offset holds."""
    ms, _, sequence = entry.partition(b"-")
    high, low = int(ms), int(sequence)
    return None if low >> _SEQUENCE_BITS or high >> 43 else high << _SEQUENCE_BITS | low


def known_offset(entry: bytes) -> int:
    """The offset of an entry. Raises OMSRuntimeException 1501 where there is none."""
    offset = offset_of(entry)
    if offset is None:
        step = "Consume it in a group; only reading by position needs an offset"
        raise error(
            1501, f"entry {entry.decode()} has no offset: its id is beyond 2^43 ms or 2^20 a ms", next_step=step
        )
    return offset


def entry_at(offset: int) -> str:
    """The id that an offset stands for."""
    return f"{offset >> _SEQUENCE_BITS}-{offset & ((1 << _SEQUENCE_BITS) - 1)}"


def entry_before(offset: int) -> str:
    """The greatest id below what an offset stands for: a group that begins after it gets that entry first."""
    if offset <= 0:
        return "0-0"
    ms, sequence = offset >> _SEQUENCE_BITS, offset & ((1 << _SEQUENCE_BITS) - 1)
    return f"{ms}-{sequence - 1}" if sequence else f"{ms - 1}-{_LAST}"


def time_of(entry: bytes) -> int:
    """When an entry was stored, ms since the epoch, by the server's clock."""
    return int(entry.partition(b"-")[0])
