"""What a mirror is going to do, and what its target cannot represent: said before anything is copied."""

from __future__ import annotations

from typing import Any

import msgspec

from openmessaging.model.errors import OMSDestinationException
from openmessaging.model.spi import Capability, Driver, QueueInfo


class Step(msgspec.Struct):
    """One queue."""

    queue: str
    """Full name, the same on both sides."""
    source: QueueInfo
    partitions: int
    """Of the target; those of the source when it is still to be made."""
    is_there: bool
    losses: list[str]
    """What the target cannot represent, a sentence each."""


class Plan(msgspec.Struct):
    """All queues."""

    steps: list[Step]
    losses: list[str]
    """What the target cannot represent of any queue."""

    @property
    def is_lossless(self) -> bool:
        """Whether there is nothing to be said."""
        return not self.losses and not any(step.losses for step in self.steps)


_FOR_ALL = {
    Capability.EXPIRY: "nothing expires there: expireTime is only kept as a header",
    Capability.KEY_ORDER: 'consumers there cannot ask for order="key"; the order of a key in its partition is kept',
    Capability.DEAD_LETTER: "there are no dead letters there",
    Capability.TRANSACTIONS: "there are no transactions there",
}


def general_losses(source: Driver, target: Driver) -> list[str]:
    """What is so for all queues."""
    lacks = source.capabilities - target.capabilities
    found = [text for capability, text in _FOR_ALL.items() if capability in lacks]
    if target.max_body_bytes < source.max_body_bytes:
        found.append(f"a body of more than {target.max_body_bytes:,} bytes stops the mirror with 1413")
    if Capability.BROWSE not in source.capabilities:
        found.append("the source cannot be read from a place: messages are consumed, by a group of the mirror's")
    if not target.capabilities & {Capability.UNIQUE, Capability.BROWSE}:
        found.append("the target cannot be asked what it has: after a crash some messages may be stored twice")
    return found


async def step_of(source: Driver, target: Driver, queue: str) -> Step:
    """What is to be done for a queue. Raises OMSDestinationException 1404 where the source has none."""
    info = await source.describe_queue(queue)
    try:
        partitions = (await target.describe_queue(queue)).partitions
        is_there = True
    except OMSDestinationException:
        partitions, is_there = info.partitions, False
    losses = []
    if partitions != info.partitions:
        losses.append(
            f"it has {partitions} partitions there, {info.partitions} here: keys keep their order, partitions change"
        )
    if info.lanes and Capability.PRIORITY not in target.capabilities:
        losses.append("messages keep their priority as a header, and none overtakes another there")
    if info.delayed:
        losses.append(f"{info.delayed:,} messages are not due yet: they are copied once they are, with --follow")
    settings = _settings(info.config)
    if settings:
        losses.append(f"its settings are not copied: {', '.join(f'{k}={v!r}' for k, v in sorted(settings.items()))}")
    return Step(queue, info, partitions, is_there, losses)


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    usual = {"retention": "consumed", "tombstone_age": 86_400.0}
    return {name: value for name, value in config.items() if value and usual.get(name) != value}
