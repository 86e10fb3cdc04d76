"""Delayed messages: they wait on shelves, are fired into their partition when they are due, and may be called back.

All that happens to a message happens in one entry: being fired is a copy in its partition and its leaving the shelf, so
a crash fires it once. The engine knows what waits (`shelf.py`); what is due next, and where an id is, a `TimerIndex`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openmessaging.broker.copying import batches, original
from openmessaging.broker.draft import Draft, queue_named
from openmessaging.broker.entry import Entry, Leave, Placed
from openmessaging.broker.shelf import Shelf
from openmessaging.model.batch import HEADER, OWN_IDS, BatchHeader, decode, with_own
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import DelayedInfo
from openmessaging.model.timing import due_ms

if TYPE_CHECKING:
    from openmessaging.broker.engine import Engine
    from openmessaging.broker.state import Contents, State
    from openmessaging.storage.timer_index import TimerIndex

FIRED_AT_ONCE = 500
"""Most messages that one entry fires."""
_PUT_OFF_MS = 60_000
"""After which a message that could not be read is tried again."""


def index(timers: TimerIndex, placed: Placed, dues: Sequence[int], head: bytes, payload: bytes) -> int:
    """Let the timers know a batch of a shelf; returns when the first of it is due."""
    header = BatchHeader(*HEADER.unpack_from(head))
    ids = [(header.first_id, placed.count, 0)]
    if header.attributes & OWN_IDS:
        ids = [(int(headers["messageId"], 16), 1, place) for place, headers in enumerate(_headers(head + payload))]
    return timers.add(placed.partition_id, placed.base_offset, dues, ids, placed.store_ms)


def index_stored(timers: TimerIndex, placed: Placed, data: bytes) -> None:
    """As `index`, with the times that the messages say."""
    index(timers, placed, [due_ms(headers["bornTimestamp"], headers) for headers in _headers(data)], data, b"")


def rebuild(timers: TimerIndex, state: State, contents: Contents) -> None:
    """Add all that waits to timers that know nothing."""
    for shelf in [each for each in state.partitions.values() if isinstance(each, Shelf)]:
        for offset in shelf.waiting():
            headers = original(contents, shelf.id, offset).headers or {}
            due = due_ms(headers["bornTimestamp"], headers)
            timers.add(shelf.id, offset, (due,), [(int(headers["messageId"], 16), 1, 0)])


def fire(engine: Engine, draft: Draft) -> None:
    """Add to the draft what is due: copies in their partitions, and their leaving the shelves."""
    records: dict[tuple[Shelf, int | None], list[Record]] = {}
    leaving: dict[int, list[int]] = {}
    for _, shelf_id, offset in engine.timers.due(draft.now_ms, FIRED_AT_ONCE):
        shelf = engine.partitions[shelf_id]
        assert isinstance(shelf, Shelf)
        try:
            record = original(engine.contents, shelf_id, offset)
        except OMSRuntimeException:  # it lies in a damaged place: the others go on, and nothing is lost
            engine.timers.defer(shelf_id, offset, draft.now_ms + _PUT_OFF_MS)
            continue
        priority = (record.headers or {}).get("priority")
        records.setdefault((shelf, priority), []).append(record)
        leaving.setdefault(shelf_id, []).append(offset)
    for (shelf, priority), copies in records.items():
        for batch in batches(copies, draft.now_ms):
            draft.place(shelf.queue.name, shelf.number, batch, priority)
    draft.operations += [Leave(shelf_id, offsets) for shelf_id, offsets in leaving.items()]


def decide_cancel(engine: Engine, now_ms: int, name: str, message_id: str) -> Entry | None:
    """Take a delayed message of a queue back, never to be delivered; None when it is too late (or no such message
    waits). Raises 1404 for a missing queue, 1418 for what is no id."""
    found = _find(engine, name, message_id)
    return None if found is None else Entry(now_ms, (Leave(found[0].id, [found[1]]),))


def decide_reschedule(engine: Engine, now_ms: int, name: str, message_id: str, new_due_ms: int) -> Entry | None:
    """Let a delayed message of a queue be due at another time; None, and raises, as `decide_cancel`."""
    found = _find(engine, name, message_id)
    if found is None:
        return None
    shelf, offset = found
    record = original(engine.contents, shelf.id, offset)
    headers = record.headers or {}
    headers["delayTime"] = max(0, new_due_ms - headers["bornTimestamp"])
    draft = Draft(engine, engine.limits, now_ms)
    _wait_again(draft, shelf, [record])
    draft.operations.append(Leave(shelf.id, [offset]))
    return draft.entry()


def decide_repack(engine: Engine, now_ms: int, shelf: Shelf, offsets: Sequence[int]) -> Entry:
    """Move messages that still wait out of batches of which most have left, so that the space of those returns.

    Raises 1501 when they cannot be read.
    """
    waiting = [offset for offset in offsets if shelf.is_pending(offset)]
    draft = Draft(engine, engine.limits, now_ms)
    if waiting:
        _wait_again(draft, shelf, [original(engine.contents, shelf.id, offset) for offset in waiting])
        draft.operations.append(Leave(shelf.id, waiting))
    return draft.entry()


def delayed(engine: Engine, name: str, maximum: int) -> list[DelayedInfo]:
    """Delayed messages of a queue, in the order of sending per partition. Raises 1404."""
    found: list[DelayedInfo] = []
    for shelf in queue_named(engine, name).shelves.values():
        for offset in shelf.waiting():
            if len(found) >= maximum:
                return found
            record = original(engine.contents, shelf.id, offset)
            headers = record.headers or {}
            due = due_ms(headers["bornTimestamp"], headers)
            found.append(
                DelayedInfo(headers["messageId"], name, shelf.number, due, record.message_key, len(record.data))
            )
    return found


def _wait_again(draft: Draft, shelf: Shelf, records: list[Record]) -> None:
    """Put messages at the end of their shelf."""
    dues = [due_ms(headers["bornTimestamp"], headers) for record in records if (headers := record.headers)]
    at = 0
    for batch in batches(records, draft.now_ms):
        draft.place_delayed(shelf.queue.name, shelf.number, batch, dues[at : at + batch.count])
        at += batch.count


def _find(engine: Engine, name: str, message_id: str) -> tuple[Shelf, int] | None:
    """Where a message of a queue waits."""
    queue = queue_named(engine, name)
    try:
        number = int(message_id, 16)
    except ValueError:
        number = -1
    if len(message_id) != 32 or number < 0:
        raise error(
            1418, f"{message_id!r} is no message id", next_step="Give what the send returned", field="messageId"
        )
    shelves = {shelf.id: shelf for shelf in queue.shelves.values()}
    for shelf_id, offset in engine.timers.find(number):
        shelf = shelves.get(shelf_id)
        if shelf is not None and shelf.is_pending(offset):
            return shelf, offset
    return None


def _headers(data: bytes) -> list[dict[str, Any]]:
    """The headers of each message of a batch, with what the batch says about it."""
    header, shared, records = decode(data)
    return [with_own(header, shared, record, place).headers or {} for place, record in enumerate(records)]
