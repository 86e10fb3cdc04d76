"""What happens together or not at all: batches for several queues and the settling of leases, in one entry.

A transaction of an application is collected by its producer and comes in as one call; so there is nothing to be undone,
and nothing is visible before the entry is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from openmessaging.broker.draft import Draft
from openmessaging.broker.entry import Entry, Settle
from openmessaging.broker.lease import HeldLease, held_ranges
from openmessaging.model.errors import error
from openmessaging.model.spi import OutgoingBatch


class Settled(NamedTuple):
    """Messages of a lease of a group; `offsets` None: all that is left of it."""

    group_id: int
    lease_id: int
    offsets: Sequence[int] | None


def commit(
    draft: Draft,
    batches: Sequence[OutgoingBatch],
    settled: Sequence[Settled],
    held: Callable[[int, int], HeldLease],
) -> Entry:
    """Place the batches and settle the messages; a message named twice is settled once.

    Raises as `Engine.decide_send`; 1418 as `Engine.decide_ack`, and for a lease whose time is over even when no tick
    has ended it yet: who commits must be sure that nobody else was given the message.
    """
    for outgoing in batches:
        draft.send(outgoing)
    wanted: dict[tuple[int, int], list[int] | None] = {}
    for group_id, lease_id, offsets in settled:
        so_far = wanted.setdefault((group_id, lease_id), [])
        if offsets is None or so_far is None:
            wanted[group_id, lease_id] = None
        else:
            so_far.extend(offsets)
    for (group_id, lease_id), each in wanted.items():
        lease = held(group_id, lease_id)
        if lease.deadline_ms <= draft.now_ms:
            text = f"the receipt (lease {lease_id}) expired {draft.now_ms - lease.deadline_ms} ms ago"
            step = "Nothing was done: handle the message when it comes again, or ask for a longer invisible time"
            raise error(1418, text, next_step=step, field="receipt")
        draft.operations.append(Settle(lease_id, None if each is None else held_ranges(lease, each)))
    return draft.entry()
