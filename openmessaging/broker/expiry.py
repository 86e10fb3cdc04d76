"""Messages that expire: they are never handed out; when a group comes to one, it is settled for it and counted.

Only partitions that hold a batch with the attribute `EXPIRES` are looked into, up to the last such batch. Where the
queue names an `expired_queue`, what expires for a group is copied there in the same entry, as a dead letter would be.

Source: specification 1.0.0, "message extension header", expireTime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openmessaging.broker.copying import batches, original
from openmessaging.broker.draft import Draft
from openmessaging.broker.entry import Entry, Expire
from openmessaging.model.destination import full_name

if TYPE_CHECKING:
    from openmessaging.broker.engine import Engine
    from openmessaging.broker.group import Group
    from openmessaging.broker.state import Contents

PREFIX = "expired."
"""First characters of the properties that an expired message gains."""
AT_ONCE = 1_000
"""Most messages that expire in one entry."""


def first_run(contents: Contents, partition_id: int, start: int, end: int, now_ms: int) -> tuple[int, bool]:
    """Where the messages from `start` on change between expired and not, at most at `end`, and which they are."""
    end = min(end, start + AT_ONCE)
    gone = [0 < expires <= now_ms for expires in contents.expiries(partition_id, start, end)]
    try:
        return start + gone.index(not gone[0]), gone[0]
    except ValueError:
        return end, gone[0]


def with_copies(engine: Engine, entry: Entry, group: Group) -> Entry:
    """An entry in which messages of a group expire, with copies of them for the queue's `expired_queue`, if any."""
    if not group.queue.config.get("expired_queue"):
        return entry
    draft = Draft(engine, engine.limits, entry.now_ms)
    draft.operations += entry.operations
    add_copies(engine, draft, group)
    return draft.entry()


def add_copies(engine: Engine, draft: Draft, group: Group) -> None:
    """Copies of the messages that expire in a draft for a group, for the queue's `expired_queue`, if any."""
    name = group.queue.config.get("expired_queue")
    expired = [operation for operation in draft.operations if isinstance(operation, Expire)]
    if not name or not expired:
        return
    target = full_name(name, group.queue.namespace)
    if not draft.has_queue(target):
        if target.partition("://")[0] not in engine.namespaces:
            return
        draft.create_queue(target, 1, {}, limited=False)
    facts: dict[str, Any] = {
        f"{PREFIX}queue": group.queue.name, f"{PREFIX}group": group.name, f"{PREFIX}time": draft.now_ms
    }  # fmt: skip
    records = []
    for each in expired:
        for offset in range(each.start, each.end):
            record = original(engine.contents, each.partition_id, offset)
            record.properties = {**(record.properties or {}), **facts}
            headers = record.headers or {}
            headers.pop("expireTime", None)  # it would expire there too
            records.append(record)
    for batch in batches(records, draft.now_ms):
        draft.place(target, 0, batch)
