"""Prepared messages: stored where nobody sees them, until their producer has decided, or gave no answer for too long.

They lie in a hidden partition, the hall, each a batch of its own. A commit copies the stored bytes to the queue's
partition in the entry that takes the message out of the hall; so does a rollback, without the copy. Who is in doubt is
asked by check: handing a check out is an entry too, so the number of checks and their times survive a restart.

Source: runtime interface 1.0.0, "prepare" and "transaction state check listener"; times, limit and memory are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from openmessaging.broker import entry as ops
from openmessaging.broker.draft import Draft
from openmessaging.broker.entry import Entry
from openmessaging.broker.hall import Prepared
from openmessaging.model.batch import HEADER, Batch, decode
from openmessaging.model.errors import error, transaction_error
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.transaction import Preparation

if TYPE_CHECKING:
    from openmessaging.broker.engine import Engine


_DIRECTIONS = {name: get_type_hints(OutgoingBatch)[name] for name in OutgoingBatch.__struct_fields__[3:]}
"""Fields behind the batch, with their types."""


def decide_prepare(engine: Engine, now_ms: int, preparation: Preparation) -> Entry:
    """Store a message in the hall. Creates its queue when missing, so that a commit finds it.

    Raises as `Engine.decide_send`; 1418 for a transaction id that is taken, 1502 when too many wait.
    """
    state, transaction_id, outgoing = engine.prepared, preparation.transaction_id, preparation.batch
    if transaction_id in state.waiting or transaction_id in state.decided:
        raise error(1418, f"the transaction {transaction_id} is there already", field="transactionId")
    if len(state.waiting) >= engine.limits.max_prepared:
        text = f"{len(state.waiting):,} prepared messages wait for their decision"
        raise error(1502, text, next_step="Commit or roll back some: see `oms transaction list`")
    draft = Draft(engine, engine.limits, now_ms)
    draft.admit(outgoing)
    draft.check_partition(outgoing.destination, outgoing.partition)
    hall_id, end = draft.open_hall()
    check = preparation.check
    draft.operations.append(
        ops.Prepare(
            transaction_id,
            end,
            outgoing.destination,
            outgoing.partition,
            preparation.producer,
            now_ms + int(check.first * 1000),
            int(check.interval * 1000),
            check.limit,
            now_ms + int(check.expire * 1000),
            _directions(outgoing),
        )
    )
    draft.put(hall_id, outgoing.batch)
    return draft.entry()


def decide_end(engine: Engine, now_ms: int, transaction_id: str, commit: bool) -> Entry | None:
    """Commit or roll back a prepared message; None when that was done before.

    Raises OMSTransactionException for the opposite of what was done, and for a transaction that is not known (any
    more); what `Engine.decide_send` raises when its queue was deleted and cannot be made again.
    """
    state = engine.prepared
    prepared = state.waiting.get(transaction_id)
    if prepared is None:
        done = state.decided.get(transaction_id)
        if done is None:
            raise transaction_error(
                f"the transaction {transaction_id} is not known",
                next_step="It was never prepared here, or was decided long ago",
            )
        if done is not commit:
            text = f"the transaction {transaction_id} was {'committed' if done else 'rolled back'}"
            raise transaction_error(text, next_step="That cannot be taken back")
        return None
    draft = Draft(engine, engine.limits, now_ms)
    draft.operations.append(ops.Decide(transaction_id, commit))
    if commit:
        batch = stored_batch(engine, prepared)
        draft.require_queue(prepared.queue)
        number = prepared.partition
        if number is not None and number >= draft.partitions(prepared.queue):
            number = None  # the queue was made anew meanwhile, with fewer
        draft.send(OutgoingBatch(prepared.queue, number, batch, **_directed(prepared)))
    return draft.entry()


def decide_checks(engine: Engine, now_ms: int, producer: str, count: int) -> Entry:
    """Hand out checks that are due; without operations when there is none."""
    due = engine.prepared.due(producer, now_ms, count)
    return Entry(now_ms, [ops.Checked(each.transaction_id, now_ms + each.interval_ms) for each in due])


def _directions(outgoing: OutgoingBatch) -> dict[str, Any]:
    found = {name: getattr(outgoing, name) for name in _DIRECTIONS}
    return {
        name: msgspec.to_builtins(value, builtin_types=(bytes,)) for name, value in found.items() if value is not None
    }


def _directed(prepared: Prepared) -> dict[str, Any]:
    return {
        name: msgspec.convert(value, _DIRECTIONS[name], builtin_types=(bytes,))
        for name, value in prepared.directions.items()
    }


def stored_batch(engine: Engine, prepared: Prepared) -> Batch:
    """The batch as it was sent. Raises OMSRuntimeException 1501 when it is damaged."""
    hall = engine.prepared.hall
    assert hall is not None
    data = engine.contents.stored(hall.id, prepared.offset)
    header, _, _ = decode(data)  # and its CRC holds
    return Batch(data[: HEADER.size], data[HEADER.size :], header.count)
