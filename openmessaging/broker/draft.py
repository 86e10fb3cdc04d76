"""An entry in the making: operations and batches on top of a state that stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from openmessaging.broker.entry import (
    AnyOperation,
    CreateLane,
    CreateQueue,
    CreateShelf,
    Entry,
    Expiring,
    OpenHall,
    Placed,
    Remember,
)
from openmessaging.broker.once import Place
from openmessaging.broker.partition import Partition
from openmessaging.broker.queue import Queue, check_config
from openmessaging.broker.state import State
from openmessaging.model.batch import ATTRIBUTES_AT, EXPIRES, Batch, decode
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.headers import DEFAULT_PRIORITY
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.timing import unpack_times
from openmessaging.model.unique import Unique


class Limits(msgspec.Struct, frozen=True):
    """How much a broker takes on."""

    auto_create: bool = True
    """Whether a queue comes into being on first use."""
    default_partitions: int = 1
    """Partitions of such a queue."""
    max_namespaces: int = 1_000
    max_queues: int = 10_000
    max_partitions: int = 1_024
    """Most partitions of one queue."""
    max_prepared: int = 10_000
    """Most prepared messages that wait for their decision."""
    max_schedules: int = 10_000


class Draft:
    """Collects what shall happen together. Queues it creates count as there, for this entry only."""

    def __init__(self, state: State, limits: Limits, now_ms: int) -> None:
        self.now_ms = now_ms
        self.operations: list[AnyOperation] = []
        self._state = state
        self._limits = limits
        self._placed: list[Placed] = []
        self._batches: list[Batch] = []
        self._created: dict[str, CreateQueue] = {}
        self._lanes: dict[tuple[str, int, int], int] = {}
        self._shelves: dict[tuple[str, int], int] = {}
        self._dues: dict[int, Sequence[int]] = {}
        self._next_partition_id = state.next_partition_id
        self._ends: dict[int, int] = {}
        self._turns: dict[str, int] = {}

    def entry(self) -> Entry:
        """The finished entry."""
        return Entry(self.now_ms, self.operations, self._placed, self._batches, self._dues or None)

    def has_queue(self, name: str) -> bool:
        """Whether a queue is there or was created here."""
        return name in self._state.queues or name in self._created

    def require_queue(self, name: str) -> None:
        """Create a queue that is missing. Raises 1404 when that is switched off, 1405 without its namespace, 1416."""
        if self.has_queue(name):
            return
        if not self._limits.auto_create:
            raise error(1404, f"there is no queue {name}", next_step="Create it first: oms queue create")
        self.create_queue(name, self._limits.default_partitions, {})

    def create_queue(self, name: str, partitions: int, config: dict[str, Any], *, limited: bool = True) -> None:
        """Create a queue; `limited` false ignores the maximum. Raises 1405, 1406, 1416, 1418."""
        state = self._state
        if self.has_queue(name):
            raise error(1406, f"the queue {name} is there already", next_step="Use it, or choose another name")
        namespace = name.partition("://")[0]
        if namespace not in state.namespaces:
            raise no_namespace(namespace)
        if not 1 <= partitions <= self._limits.max_partitions:
            what = f"partitions: {partitions} is not between 1 and {self._limits.max_partitions:,}"
            raise error(1418, what, field="partitions")
        check_config(config)
        if limited and len(state.queues) + len(self._created) >= self._limits.max_queues:
            raise error(
                1416, f"there are {self._limits.max_queues:,} queues", next_step="Delete one that is not needed"
            )
        queue_id = state.next_queue_id + len(self._created)
        operation = CreateQueue(name, queue_id, self._next_partition_id, partitions, config)
        self._next_partition_id += partitions
        self._created[name] = operation
        self.operations.append(operation)

    def partitions(self, name: str) -> int:
        """How many partitions, lanes left out, a queue has that is there or was created here."""
        created = self._created.get(name)
        return created.partitions if created is not None else self._state.queues[name].count

    def admit(self, outgoing: OutgoingBatch) -> None:
        """See that a batch may go into its queue, which comes into being on first use. Raises as `require_queue`, and
        1418 for a message without key in a compacted queue."""
        self.require_queue(outgoing.destination)
        queue = self._state.queues.get(outgoing.destination)
        if queue is not None and queue.compact:
            check_keys(outgoing.batch, queue.name)

    def send(self, outgoing: OutgoingBatch) -> None:
        """Put a batch into its queue. Raises as `admit` and `place`."""
        self.admit(outgoing)
        timing = outgoing.timing
        if timing is None or timing.dues is None:
            self.place(outgoing.destination, outgoing.partition, outgoing.batch, outgoing.priority)
        else:
            dues = unpack_times(timing.dues, outgoing.batch.count)
            self.place_delayed(outgoing.destination, outgoing.partition, outgoing.batch, dues)

    def base(self, name: str, number: int) -> int:
        """The partition that a number of a queue stands for: that of a lane is the one it belongs to."""
        queue = self._state.queues.get(name)
        if queue is None or not 0 <= number < len(queue.partitions):
            return number
        return queue.partitions[number].base

    def place(self, name: str, number: int | None, batch: Batch, priority: int | None = None) -> None:
        """Put a batch into a partition (None: the one whose turn it is) of a queue that is there or was created here,
        or into its lane for a priority (1 to 10; any other number counts as none).

        Raises 1418 for a number that the queue does not have.
        """
        number = self._choose(name, number)
        queue = self._state.queues.get(name)
        compact = queue is not None and queue.compact  # one order, so that the last of a key is the newest
        if priority is not None and priority != DEFAULT_PRIORITY and 1 <= priority <= 10 and not compact:
            partition_id = self._lane(name, number, priority)
        elif queue is None:
            partition_id = self._created[name].first_partition_id + number
        else:
            partition_id = queue.partitions[number].id
        self.put(partition_id, batch)

    def place_delayed(self, name: str, number: int | None, batch: Batch, dues: Sequence[int]) -> None:
        """As `place`, for messages that are due later: they go into the partition's shelf, made when missing."""
        number = self._choose(name, number)
        queue = self._state.queues.get(name)
        shelf = queue.shelves.get(number) if queue is not None else None
        shelf_id = shelf.id if shelf is not None else self._shelves.get((name, number))
        if shelf_id is None:
            shelf_id = self._shelves[name, number] = self._next_partition_id
            self._next_partition_id += 1
            queue_id = self._created[name].queue_id if queue is None else queue.id
            self.operations.append(CreateShelf(queue_id, number, shelf_id))
        self._dues[len(self._placed)] = dues
        self.put(shelf_id, batch)

    def _choose(self, name: str, number: int | None) -> int:
        """The partition a batch goes to. Raises 1418."""
        if number is None:
            queue = self._state.queues.get(name)
            return queue.next_partition() if queue is not None else self._next_turn(name, self.partitions(name))
        self.check_partition(name, number)
        return number

    def end(self, partition: Partition) -> int:
        """Where the next batch of a partition would lie."""
        return self._ends.get(partition.id, partition.end)

    def put(self, partition_id: int, batch: Batch) -> None:
        """Put a batch at the end of a partition that is there or was created here, whatever it is."""
        base = self._ends.get(partition_id)
        if base is None:
            stored = self._state.partitions.get(partition_id)
            base = stored.end if stored is not None else 0
        self._ends[partition_id] = end = base + batch.count
        if batch.head[ATTRIBUTES_AT] & EXPIRES:
            self.operations.append(Expiring(partition_id, end))
        self._placed.append(Placed(partition_id, base, batch.count, self.now_ms))
        self._batches.append(batch)

    def _lane(self, name: str, number: int, priority: int) -> int:
        """The partition id of a lane, which is created when missing."""
        queue = self._state.queues.get(name)
        if queue is not None and (lane := queue.lanes.get((number, priority))) is not None:
            return lane.id
        place = name, number, priority
        partition_id = self._lanes.get(place)
        if partition_id is None:
            partition_id = self._lanes[place] = self._next_partition_id
            self._next_partition_id += 1
            queue_id = self._created[name].queue_id if queue is None else queue.id
            self.operations.append(CreateLane(queue_id, partition_id, number, priority))
        return partition_id

    def config(self, name: str) -> dict[str, Any]:
        """The settings of a queue that is there or was created here."""
        queue = self._state.queues.get(name)
        return self._created[name].config if queue is None else queue.config

    def last_place(self) -> tuple[int, int]:
        """Number of the partition, and offset, of the batch that was put last; -1 for a partition made here."""
        placed = self._placed[-1]
        partition = self._state.partitions.get(placed.partition_id)
        if partition is not None:
            return partition.number, placed.base_offset
        for created in self._created.values():
            if 0 <= placed.partition_id - created.first_partition_id < created.partitions:
                return placed.partition_id - created.first_partition_id, placed.base_offset
        return -1, placed.base_offset

    def remembered(self, queue: str, unique: Unique) -> Place | None:
        """Where the same batch was put by this draft."""
        for operation in self.operations:
            if (
                isinstance(operation, Remember)
                and operation.queue == queue
                and (
                    (operation.key is not None and operation.key == unique.key)
                    or (
                        unique.producer is not None
                        and operation.producer == unique.producer
                        and operation.sequence == unique.sequence
                    )
                )
            ):
                return Place(operation.partition, operation.offset, self.now_ms, operation.original)
        return None

    def check_partition(self, name: str, number: int | None) -> None:
        """Raises 1418 for a partition that a queue does not have."""
        count = self.partitions(name)
        if number is not None and not 0 <= number < count:
            raise no_partition(name, number, count)

    def open_hall(self) -> tuple[int, int]:
        """Id and end of the hidden partition for prepared messages, made when missing."""
        hall = self._state.prepared.hall
        if hall is not None:
            return hall.id, hall.end
        self.operations.append(OpenHall(self._next_partition_id))
        self._next_partition_id += 1
        return self._next_partition_id - 1, 0

    def _next_turn(self, name: str, count: int) -> int:
        turn = self._turns.get(name, -1) + 1
        self._turns[name] = turn
        return turn % count


def check_keys(batch: Batch, queue: str) -> None:
    """Raises OMSRuntimeException 1418 when a message of a batch for a compacted queue has no key."""
    records = decode(batch.head + batch.payload)[2]
    if any(record.message_key is None for record in records):
        step = "Give each message a key: only the newest message of a key stays"
        raise error(1418, f"{queue} is compacted, a message for it has no key", next_step=step, field="messageKey")


def queue_named(state: State, name: str) -> Queue:
    """A queue by its full name. Raises 1404."""
    queue = state.queues.get(name)
    if queue is None:
        raise error(1404, f"there is no queue {name}", next_step="See `oms queue list`")
    return queue


def no_namespace(name: str) -> OMSRuntimeException:
    """The error for a namespace that is not there."""
    return error(1405, f"there is no namespace {name}", next_step="Create it first")


def no_partition(queue: str, number: int, count: int) -> OMSRuntimeException:
    """The error for a partition that a queue does not have."""
    text = f"{queue} has the partitions 0 to {count - 1}, not {number}"
    return error(1418, text, next_step="Give one of them, or none", field="partition")
