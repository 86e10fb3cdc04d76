"""Stores to test with: on a disk that counts and gates its syncs, on a simulated one, with short calls to use them."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openmessaging.broker.admin import Admin
from openmessaging.broker.group import Group
from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.model.batch import decode, encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, Delivery, GroupConfig, OutgoingBatch, Placement, SubscriptionSpec
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.system import Disk, SystemDisk
from openmessaging.system.disk import SystemFile

QUEUE = "default://orders"
SMALL = 64 * 1024
"""Bytes of a segment in tests that want many."""
_SHARED = encode_shared({"bornHost": "here"})


class CountingFile(SystemFile):
    """Tells its disk of each sync before making it."""

    def __init__(self, descriptor: int, path: str, disk: CountingDisk) -> None:
        super().__init__(descriptor)
        self._path = path
        self._disk = disk

    def sync(self) -> None:
        self._disk.syncing(self._path)
        super().sync()

    def write_durable(self, position: int, parts: Sequence[bytes]) -> None:
        self._disk.syncing(self._path)
        super().write_at(position, parts)
        super().sync()


class CountingDisk(SystemDisk):
    """The system's disk; syncs of the log are counted, and wait while `gate` is closed."""

    def __init__(self) -> None:
        self.syncs = 0
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()
        """Set when a sync comes to a closed gate."""

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> SystemFile:
        plain = super().open(path, create=create, read_only=read_only)
        descriptor, plain._descriptor = plain._descriptor, -1
        return CountingFile(descriptor, path, self)

    def syncing(self, path: str) -> None:
        if path.endswith((".seg", ".log")):
            self.syncs += 1
            if not self.gate.is_set():
                self.arrived.set()
                assert self.gate.wait(20)


class Client:
    """An open store and short calls on it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.runner = store.runner
        self.admin = Admin(store.runner)
        self.sequence = 0

    def batch(self, *messages: str | bytes | Record) -> Any:
        records = [m if isinstance(m, Record) else Record(m if isinstance(m, bytes) else m.encode()) for m in messages]
        first, self.sequence = self.sequence, self.sequence + len(records)
        return encode(records, shared=_SHARED, born_ms=self.runner.clock.now_ms(), producer_id=7, first_sequence=first)

    def send(self, *messages: str | bytes | Record, queue: str = QUEUE, partition: int | None = None) -> Placement:
        return self.runner.send([OutgoingBatch(queue, partition, self.batch(*messages))])[0]

    def join(self, name: str = "g", queue: str = QUEUE, **settings: Any) -> Group:
        return self.admin.join(SubscriptionSpec(queue, name, config(**settings)))

    def fetch(self, group: Group, count: int = 100, max_bytes: int = 1 << 20) -> list[Delivery]:
        while (found := self.runner.receive(group, count, max_bytes, None)) is None:
            pass  # what it came to did not match, or had expired
        return found

    def receive(self, group: Group, count: int = 100) -> list[str]:
        """Bodies, acknowledged."""
        found = self.fetch(group, count)
        for delivery in found:
            self.ack(group, delivery)
        return bodies(found)

    def ack(self, group: Group, delivery: Delivery, offsets: Sequence[int] | None = None) -> None:
        if offsets is None:
            offsets = range(delivery.base_offset + delivery.first, delivery.base_offset + delivery.last)
        self.runner.ack(group.id, delivery.lease_id, offsets)

    def nack(self, group: Group, delivery: Delivery, delay: float | None = 0, reason: str = "no") -> None:
        lease_id = delivery.lease_id
        self.runner.give_back(
            lambda engine, now_ms: engine.decide_nack(now_ms, group.id, lease_id, None, delay, reason)
        )

    def browse(self, queue: str = QUEUE, partition: int = 0, offset: int = 0, count: int = 10_000) -> list[str]:
        return bodies(self.admin.browse(queue, partition, offset, count, None))

    def upkeep(self) -> None:
        """As many rounds as it takes to have two snapshots and to drop what they cover."""
        for _ in range(3):
            self.store.maintenance.work(full_round=True)

    def close(self) -> None:
        self.store.close()


def config(**settings: Any) -> GroupConfig:
    backoff = {name: settings.pop(name) for name in Backoff.__struct_fields__ if name in settings}
    return GroupConfig(**settings, backoff=Backoff(**{"jitter": 0.0, **backoff}))


def open_client(
    directory: Any,
    *,
    clock: SimulatedClock | None = None,
    disk: Disk | None = None,
    upkeep: bool = False,
    **options: Any,
) -> Client:
    """A store with small segments; upkeep is driven by the test unless asked for."""
    made = StoreOptions(**{"segment_bytes": SMALL, **options})
    return Client(open_store(str(directory), made, disk=disk, clock=clock, chance=random.Random(5), upkeep=upkeep))


def simulated(capacity_bytes: int = 1 << 30) -> SimulatedDisk:
    return SimulatedDisk(random.Random(11), capacity_bytes=capacity_bytes)


def bodies(deliveries: Sequence[Delivery]) -> list[str]:
    return [
        record.data.decode()
        for delivery in deliveries
        for record in decode(delivery.data)[2][delivery.first : delivery.last]
    ]


def records(deliveries: Sequence[Delivery]) -> list[Record]:
    return [record for delivery in deliveries for record in decode(delivery.data)[2][delivery.first : delivery.last]]


def code_of(call: Callable[..., object], *arguments: Any, **named: Any) -> int:
    """The code of the error that a call raises."""
    return failure_of(call, *arguments, **named).code


def failure_of(call: Callable[..., object], *arguments: Any, **named: Any) -> OMSRuntimeException:
    try:
        call(*arguments, **named)
    except OMSRuntimeException as error:
        assert error.reason
        return error
    raise AssertionError("no error")


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for what another thread does at some time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Start a call; what it raises is in the list once the thread has ended."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, failures


def finish(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a thread hangs"


def timed(client: Client, clock: SimulatedClock) -> None:
    """A message each ten seconds; the time of the first."""
    start = clock.now_ms()
    for number in range(5):
        client.send(f"{number}")
        clock.advance(10)
    return start


def killed(client: Client, directory: Path, target: Path) -> Path:
    """The directory as a process that died now would leave it."""
    client.runner.flush()
    shutil.copytree(directory, target)
    return target


def content(client: Client) -> dict[tuple[str, int], list[tuple[int, bytes]]]:
    """Every message of every partition with its offset."""
    found: dict[tuple[str, int], list[tuple[int, bytes]]] = {}
    for name, queue in client.runner.engine.queues.items():
        for partition in queue.partitions:
            deliveries = client.admin.browse(name, partition.number, 0, 1_000_000, None)
            found[name, partition.number] = [
                (delivery.base_offset + place, decode(delivery.data)[2][place].data)
                for delivery in deliveries
                for place in range(delivery.first, delivery.last)
            ]
    return found


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
