"""Bits that flip on the disk while a store is closed.

What was acknowledged is there, or the damage is told with its place; nothing is ever silently wrong or missing, and
what was settled and flushed does not come again.
"""

from __future__ import annotations

from collections.abc import Callable

from openmessaging.broker.store import Store
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.consumers import CONFIGS, Consumers
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.simulation.promises import Promises
from openmessaging.storage.inspect import verify

Opening = Callable[[SimulatedDisk, SimulatedClock], Store]
"""Opens the store on a disk."""


def rot(disk: SimulatedDisk, root: str, clock: SimulatedClock, promises: Promises, opening: Opening) -> None:
    """End the process or the power, flip bits, open the store again and take everything out of it.

    Disk, clock and promises are changed: give copies.
    """
    chance = disk.random
    chance.choice((disk.crash, disk.kill))()
    for _ in range(chance.choice((1, 1, 2, 5))):
        _flip(disk, chance.choice((f"{root}/log", f"{root}/log", f"{root}/index", f"{root}/snapshots", root)))
    whole = verify(root, disk).whole
    told = _take_all(disk, clock, promises, opening)
    for text in told:
        assert root in text or " offset" in text, f"{text}: but where?"
    assert not (told and whole), f"{told}: but verify found the store whole"


def _flip(disk: SimulatedDisk, directory: str) -> None:
    """Flip a bit of one of the files, mostly where something was written."""
    chance = disk.random
    names = disk.list(directory)
    if not names:
        return
    path = f"{directory}/{chance.choice(names)}"
    file = disk.open(path, read_only=True)
    content = file.read_at(0, file.size())
    size = len(content.rstrip(b"\0")) if chance.random() < 0.9 else len(content)
    if size:
        disk.flip_bit(path, chance.randrange(size), chance.randrange(8))


def _take_all(disk: SimulatedDisk, clock: SimulatedClock, promises: Promises, opening: Opening) -> list[str]:
    """Drain every group; returns what damage was told."""
    try:
        consumers = Consumers(opening(disk, clock), clock, promises, whole=False)
    except OMSRuntimeException as failure:
        return [_damage(failure)]
    told = consumers.told
    for name in CONFIGS:
        try:
            consumers.drain(name)
        except OMSRuntimeException as failure:
            told.append(_damage(failure))
    return told


def _damage(failure: OMSRuntimeException) -> str:
    """What the only error says that damage may cause."""
    if failure.code != 1501:
        raise failure
    return failure.reason
