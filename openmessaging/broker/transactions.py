"""What happens together or not at all: batches for several queues and the settling of leases, in one entry.

A transaction of an application is collected by its producer and comes in as one call; so there is nothing to be undone,
and nothing is visible before the entry is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from openmessaging.broker.draft import Draft
from openmessaging.broker.entry import Entry, OpenProducer, Remember, Settle
from openmessaging.broker.lease import HeldLease, held_ranges
from openmessaging.broker.once import Place
from openmessaging.broker.state import State
from openmessaging.model.batch import PRODUCER_BITS, parse_header
from openmessaging.model.errors import error
from openmessaging.model.spi import OutgoingBatch


class Settled(NamedTuple):
    """Messages of a lease of a group; `offsets` None: all that is left of it."""

    group_id: int
    lease_id: int
    offsets: Sequence[int] | None


class Decision(NamedTuple):
    """What a commit does, and per batch where it was stored before, None when it is stored now."""

    entry: Entry
    known: list[Place | None]


def commit(
    draft: Draft,
    state: State,
    batches: Sequence[OutgoingBatch],
    settled: Sequence[Settled],
    held: Callable[[int, int], HeldLease],
) -> Decision:
    """Place the batches and settle the messages; a message named twice is settled once, a batch that was stored before
    is not stored again.

    Raises as `Engine.decide_send`; 1418 as `Engine.decide_ack`, and for a lease whose time is over even when no tick
    has ended it yet: who commits must be sure that nobody else was given the message.
    """
    known = [_send(draft, state, outgoing) for outgoing in batches]
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
    return Decision(draft.entry(), known)


def open_producer(state: State, now_ms: int, name: str, drawn: float) -> Entry:
    """Open a named producer with the next epoch; `drawn` is a random number from 0 to 1."""
    named = state.once.producers.get(name)
    producer_id = int(drawn * (1 << PRODUCER_BITS)) if named is None else named.producer_id
    return Entry(now_ms, (OpenProducer(name, producer_id, 1 if named is None else named.epoch + 1),))


def _send(draft: Draft, state: State, outgoing: OutgoingBatch) -> Place | None:
    """Put a batch in, unless it was stored before: its place then."""
    unique = outgoing.unique
    if unique is None:
        draft.send(outgoing)
        return None
    draft.require_queue(outgoing.destination)
    batch, window_ms = outgoing.batch, 0
    if unique.key is not None:
        window_ms = _window_ms(draft, outgoing)
    place = state.once.find(outgoing.destination, unique, batch.count, draft.now_ms - window_ms)
    place = place or draft.remembered(outgoing.destination, unique)
    if place is not None:
        return place
    draft.send(outgoing)
    number, offset = draft.last_place()
    header = parse_header(batch.head + batch.payload)
    original = header.born_ms, header.producer_id, header.first_sequence
    facts = (outgoing.destination, number, offset, batch.count, original)
    draft.operations.append(Remember(*facts, unique.producer, unique.sequence, unique.key, window_ms))
    return None


def _window_ms(draft: Draft, outgoing: OutgoingBatch) -> int:
    window = draft.config(outgoing.destination).get("deduplication_window")
    if window is None:
        text = f"{outgoing.destination} has no deduplication window, so a key cannot make a message unique"
        raise error(1418, text, next_step="Set it: oms queue update --set deduplication_window=600", field="key")
    if outgoing.batch.count != 1:
        raise error(1418, "a batch with a key holds one message", field="key")
    return int(window * 1000)
