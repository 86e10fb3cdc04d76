"""The sends of one event loop: what comes in one turn shares one sync.

A lone group of sends syncs inside the loop while the disk has been answering fast, because a change of threads costs
more than the sync; when it has been slow, or another sync runs, the committer's thread does it. A sender who has been
alone for some turns is stored within its call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from openmessaging.broker.runner import Runner
from openmessaging.broker.transactions import Settled
from openmessaging.broker.transactor import Transactor
from openmessaging.drivers.turns import call_all
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Done, OutgoingBatch, Placement

_Queued = tuple[
    Sequence[OutgoingBatch], "asyncio.Future[list[Placement]] | None", Done | None, Sequence[Settled] | None
]
"""What is to be stored, who is told (the future of `send` or the callback of `submit`), and what is settled with it."""
_Sent = tuple["asyncio.Future[list[Placement]] | None", Done | None, list[Placement]]
_TURNS_ALONE = 8
"""After so many turns with one message each, the next is not held back for others to join."""


class LoopSender:
    """The sends of one event loop."""

    def __init__(self, runner: Runner, transactor: Transactor, loop: asyncio.AbstractEventLoop) -> None:
        self._runner = runner
        self._loop = loop
        self._transactor = transactor
        self._callbacks: list[Callable[[], object]] = []
        self._queued: list[_Queued] = []
        self._scheduled = False
        self._alone = 0
        """Turns in a row in which one batch of one message was sent."""
        self._taken = False
        """Whether `send_now` was used in this turn."""

    def send(self, batches: Sequence[OutgoingBatch]) -> asyncio.Future[list[Placement]]:
        """Queue batches for the end of this turn of the loop."""
        return self._queue(batches, None)

    def commit(self, batches: Sequence[OutgoingBatch], settled: Sequence[Settled]) -> asyncio.Future[list[Placement]]:
        """Queue batches that go with the settling of messages."""
        return self._queue(batches, settled)

    def _queue(
        self, batches: Sequence[OutgoingBatch], settled: Sequence[Settled] | None
    ) -> asyncio.Future[list[Placement]]:
        future: asyncio.Future[list[Placement]] = self._loop.create_future()
        self._queued.append((batches, future, None, settled))
        self._schedule()
        return future

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Queue one batch."""
        self._queued.append(((batch,), None, done, None))
        self._schedule()

    def send_now(self, batch: OutgoingBatch) -> Placement | None:
        """Store one batch within the call; None, and nothing done, when others send too or the disk is slow."""
        if self._alone < _TURNS_ALONE:
            return None
        if self._taken or self._scheduled:
            self._alone = 0
            return None
        runner = self._runner
        committer = runner.committer
        with runner.lock:
            if committer.busy or (runner.durable and not committer.disk_is_fast):
                return None
            placements, _ = runner.stage_send_locked((batch,))
            committer.claim_locked()
        self._taken = True
        self._loop.call_soon(self._give_turn)
        committer.lead()
        return placements[0]

    def _give_turn(self) -> None:
        self._taken = False

    def soon(self, callback: Callable[[], object]) -> None:
        """Call at the end of this turn, before what is queued goes to the log."""
        self._callbacks.append(callback)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        call_all(self._loop, callbacks)
        self._scheduled = False
        queued, self._queued = self._queued, []
        if queued:
            self._alone = self._alone + 1 if _is_one_message(queued) else 0
            self._commit(queued)

    def _commit(self, queued: list[_Queued]) -> None:
        runner = self._runner
        sent: list[_Sent] = []
        refused: list[tuple[_Queued, Exception]] = []
        lead = False
        with runner.lock:
            index = -1
            for item in queued:
                batches, future, done, settled = item
                if future is not None and future.done():  # cancelled before anything was done
                    continue
                try:
                    if settled is None:
                        placements, index = runner.stage_send_locked(batches)
                    else:
                        placements, index = self._transactor.stage_commit_locked(batches, settled)
                except Exception as cause:
                    refused.append((item, cause))
                else:
                    sent.append((future, done, placements))
            committer = runner.committer
            if sent:
                if not runner.durable or committer.disk_is_fast:
                    lead = committer.claim_locked()
                if not lead:
                    committer.wait_locked(index, lambda error: call_in(self._loop, _complete, sent, error))
        for (_, future, done, _), refusal in refused:
            _complete([(future, done, [])], refusal)
        if lead:
            try:
                committer.lead()
            except OMSRuntimeException as cause:
                _complete(sent, cause)
            else:
                _complete(sent, None)


def _is_one_message(queued: list[_Queued]) -> bool:
    return len(queued) == 1 and len(queued[0][0]) == 1 and queued[0][0][0].batch.count == 1


def _complete(sent: list[_Sent], error: Exception | None) -> None:
    for future, done, placements in sent:
        if done is not None:
            done(None if error is not None else placements[0], error)
        elif future is not None and not future.done():
            if error is None:
                future.set_result(placements)
            else:
                future.set_exception(error)


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call in a loop, from any thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
        loop.call_soon_threadsafe(function, *arguments)
