"""From a requester straight into the hands of a service that is free; the log gets the record of it afterwards.

On the long way a message is encoded, appended, written, seen, leased by a second entry, read again, decoded, and
settled by a third. A request that must be handled at most once needs none of that when somebody is there to take it: it
is on its way at once, and what is stored, `BULK` of them at a time or within a second, is but the record of a request
that nobody will handle again (`HandOver`). A store with `flush=always` does not do it: there a message is on disk
before anybody sees it.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from openmessaging.broker.copying import batches
from openmessaging.broker.draft import Draft
from openmessaging.broker.entry import HandOver
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.mail import Handed
from openmessaging.model.spi import Backoff, GroupConfig

if TYPE_CHECKING:
    from openmessaging.broker.group import Group
    from openmessaging.broker.mailboxes import Mailboxes
    from openmessaging.broker.queue import Queue
    from openmessaging.broker.runner import Runner

_PLAIN = GroupConfig()
BULK = 256
"""Requests of which the record is written at once."""
BULK_BYTES = 1 << 20
"""The same in bytes of bodies."""


def is_plain(config: GroupConfig) -> bool:
    """Whether a group takes all messages as they come: nothing in its settings that has to look at them."""
    plain = msgspec.structs.replace(
        config, start=_PLAIN.start, invisible_time=_PLAIN.invisible_time, backoff=Backoff(), broadcast=_PLAIN.broadcast
    )
    return plain == _PLAIN


class HandOvers:
    """The handing over of one store."""

    def __init__(self, runner: Runner, mailboxes: Mailboxes) -> None:
        self._runner = runner
        self._mailboxes = mailboxes
        self._kept: list[tuple[tuple[str, int, int], Handed]] = []
        """What was handed over and not recorded yet, with queue, partition and group."""
        self._bytes = 0
        self._turn = 0
        self._plain: tuple[GroupConfig | None, bool] = None, False
        """The settings that were looked at last."""

    def give(self, handed: Handed) -> bool:
        """Give a request to a service that is free, and settle its partition; False where nothing was done: send it
        then, for there are other groups, rules that must look at it, messages before it, or nobody is free."""
        runner = self._runner
        desks = self._mailboxes.desks(handed.destination)
        if not desks or runner.durable:
            return False
        with runner.lock:
            queue = runner.engine.queues.get(handed.destination)
            if queue is None or len(queue.groups) != 1 or runner.closed or runner.committer.failure is not None:
                return False
            (group,) = queue.groups.values()
            if not self._is_next(queue, group, handed):
                return False
            self._turn += 1
            for at in range(len(desks)):
                name, offer = desks[(self._turn + at) % len(desks)]
                worker = offer() if name == group.name else None
                if worker is not None:
                    break
            else:
                return False
            assert handed.partition is not None
            self._kept.append(((queue.name, handed.partition, group.id), handed))
            self._bytes += len(handed.record.data)
            full = len(self._kept) >= BULK or self._bytes >= BULK_BYTES
        worker(handed)  # without the lock: he may do it at once
        if full:
            self.record()
        return True

    def _is_next(self, queue: Queue, group: Group, handed: Handed) -> bool:
        """Whether the group wants the request next; its partition is chosen with that."""
        if queue.lanes or queue.compact or queue.config.get("filter"):
            return False
        config = group.config
        if config is not self._plain[0]:
            self._plain = config, is_plain(config)
        number = handed.partition
        if number is None:
            number = handed.partition = queue.next_partition() if queue.count > 1 else 0
        if not self._plain[1] or not 0 <= number < queue.count:
            return False
        cursor = group.cursors[number]
        return cursor.next == cursor.partition.end and not len(cursor.waiting)

    def record(self) -> None:
        """Write what was handed over into the log; a log that takes nothing any more goes without it."""
        if not self._kept:
            return
        runner = self._runner
        with runner.lock, suppress(OMSRuntimeException):
            kept, self._kept, self._bytes = self._kept, [], 0
            now_ms = runner.clock.now_ms()
            draft = Draft(runner.engine, runner.engine.limits, now_ms)
            for (name, number, group_id), run in groupby(sorted(kept, key=itemgetter(0)), itemgetter(0)):
                queue = runner.engine.queues.get(name)
                if queue is None or number >= queue.count:
                    continue
                partition = queue.partitions[number]
                start = draft.end(partition)
                for batch in batches([handed.whole() for _, handed in run], now_ms):
                    draft.put(partition.id, batch)
                draft.operations.append(HandOver(group_id, partition.id, start, draft.end(partition)))
            if draft.operations:
                runner.stage_locked(draft.entry())
