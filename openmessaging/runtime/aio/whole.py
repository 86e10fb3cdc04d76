"""A list that is stored whole or not at all: one batch per queue and partition, all in one call of the driver."""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.model.batch import attributes_of
from openmessaging.model.errors import unsupported
from openmessaging.model.message import Message
from openmessaging.model.spi import Capability, OutgoingBatch
from openmessaging.model.transaction import Settlement
from openmessaging.runtime.aio.primitives import Driver, call, call_within
from openmessaging.runtime.outgoing import Checked, Packer, Route, spread
from openmessaging.runtime.result import SendResults, SentOrigin
from openmessaging.runtime.timing import in_parts, parts_of_delays


async def send_whole(
    driver: Driver,
    packer: Packer,
    messages: Sequence[Message],
    checked: Checked,
    timeout: float,
    settlements: Sequence[Settlement] | None = None,
) -> SendResults:
    """Store messages, as checked, and give them the provider's values; with `settlements` as one commit.

    Raises what `Producer.send` raises; OMSUnsupportException where the list needs several batches and the driver
    cannot store them as one.
    """
    batches: list[OutgoingBatch] = []
    places: list[tuple[SentOrigin, Sequence[int]]] = []
    records = checked.records
    destinations = {message.destination for message in messages}
    if len(destinations) == 1 and not checked.directed:
        outgoing, origin = packer.pack(
            packer.full(destinations.pop()), None, records, checked.attributes, checked.timed
        )
        batches.append(outgoing)
        places.append((origin, range(len(records))))
    elif len(destinations) == 1 and checked.delays is not None:
        name = packer.full(destinations.pop())
        for members in parts_of_delays(checked.delays):
            theirs, delays = records, checked.delays
            if not isinstance(members, range):
                theirs, delays = [records[index] for index in members], [delays[index] for index in members]
            outgoing, origin = packer.pack(name, None, theirs, delays=delays)
            batches.append(outgoing)
            places.append((origin, members))
    else:
        for (name, (partition, delayed, priority)), group in (
            await _group(driver, packer, messages, destinations)
        ).items():
            for members in in_parts(group, records) if delayed else (group,):
                theirs = [records[index] for index in members]
                outgoing, origin = packer.pack(name, partition, theirs, attributes_of(theirs), checked.timed, priority)
                batches.append(outgoing)
                whole = not delayed and len(members) == len(messages)
                places.append((origin, range(len(members)) if whole else members))
    if settlements is None and len(batches) > 1 and Capability.ATOMIC_BATCH not in driver.capabilities:
        step = "Send one list per queue and partition"
        raise unsupported("a list over several partitions or queues, which has to be stored whole,", next_step=step)
    if settlements is None:
        placements = await call_within(timeout, driver.send, batches)
    else:
        placements = await call_within(timeout, driver.commit, batches, settlements)
    for (origin, placed), placement in zip(places, placements, strict=True):
        origin.placement = placement
        chosen = messages if isinstance(placed, range) else [messages[index] for index in placed]
        for position, message in enumerate(chosen):
            message.origin = origin
            message.position = position
    return SendResults(places, len(messages))


async def _group(
    driver: Driver, packer: Packer, messages: Sequence[Message], destinations: set[str]
) -> dict[tuple[str, Route], list[int]]:
    groups: dict[tuple[str, Route], list[int]] = {}
    for destination in sorted(destinations):
        name = packer.full(destination)
        count: int = await call(driver.partition_count, name)
        members = [index for index, message in enumerate(messages) if message.destination == destination]
        for route, found in spread([messages[index] for index in members], count).items():
            groups.setdefault((name, route), []).extend([members[place] for place in found])
    return groups
