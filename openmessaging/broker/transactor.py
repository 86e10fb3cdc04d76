"""Transactions on a running store: what the driver calls.

The decisions are in `openmessaging.broker.transactions` and `openmessaging.broker.prepared`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openmessaging.broker import prepared
from openmessaging.broker.committer import Waiter
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Checked, Entry
from openmessaging.broker.hall import Prepared
from openmessaging.broker.once import Place
from openmessaging.broker.runner import Runner
from openmessaging.broker.transactions import Settled
from openmessaging.model.spi import OutgoingBatch, Placement
from openmessaging.model.transaction import InDoubt, Preparation
from openmessaging.model.unique import ProducerEpoch


class Transactor:
    """Changes that take effect as a whole; each returns once it is as durable as a send. For many threads."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def commit(self, batches: Sequence[OutgoingBatch], settled: Sequence[Settled]) -> list[Placement]:
        """Store batches and settle messages in one entry. Raises as `Engine.decide_commit`, 1501, 1503."""
        return self._finish(lambda: self.stage_commit_locked(batches, settled))

    def stage_commit_locked(
        self, batches: Sequence[OutgoingBatch], settled: Sequence[Settled]
    ) -> tuple[list[Placement], int]:
        """Append a commit to the log without waiting; returns the placements and the entry's index."""
        known: list[Place | None] = []

        def decide(engine: Engine, now_ms: int) -> Entry:
            decision = engine.decide_commit(now_ms, batches, settled)
            known.extend(decision.known)
            return decision.entry

        placements, index = self._stage_locked(decide)
        if not any(known):
            return placements, index
        fresh, durability = iter(placements), self._runner.durability
        return [
            next(fresh)
            if place is None
            else Placement(place.partition, place.offset, place.store_ms, durability, place.original)
            for place in known
        ], index

    def open_producer(self, name: str) -> ProducerEpoch:
        """Open a named producer; returns once that is durable."""
        runner = self._runner
        runner.change(lambda engine, now_ms: engine.decide_open_producer(now_ms, name))
        with runner.lock:
            named = runner.engine.once.producers[name]
            sequences = {queue: recent.last for queue, recent in named.queues.items()}
            return ProducerEpoch(name, named.producer_id, named.epoch, sequences)

    def prepare(self, preparation: Preparation) -> None:
        """Store a message where nobody sees it. Raises as `prepared.decide_prepare`, 1501, 1503."""
        self._finish(
            lambda: self._stage_locked(lambda engine, now_ms: prepared.decide_prepare(engine, now_ms, preparation))
        )

    def end(self, transaction_id: str, commit: bool) -> Placement | None:
        """Commit or roll back a prepared message. Raises as `prepared.decide_end`, 1501, 1503."""
        placements = self._finish(
            lambda: self._stage_locked(
                lambda engine, now_ms: (
                    prepared.decide_end(engine, now_ms, transaction_id, commit) or Entry(now_ms)  # done before
                )
            )
        )
        return placements[0] if placements else None

    def checks(self, producer: str, max_messages: int) -> list[InDoubt]:
        """Hand out checks that are due; that they were is on disk with the next sync."""
        runner = self._runner
        with runner.lock:
            now_ms = runner.tick_locked()
            entry = prepared.decide_checks(runner.engine, now_ms, producer, max_messages)
            if not entry.operations:
                return []
            runner.stage_locked(entry)
            waiting = runner.engine.prepared.waiting
            return [self._in_doubt(waiting[each.transaction_id]) for each in entry.operations if type(each) is Checked]

    def in_doubt(self) -> list[InDoubt]:
        """All that waits for its decision, the oldest first."""
        runner = self._runner
        with runner.lock:
            runner.tick_locked()
            return [self._in_doubt(each) for each in runner.engine.prepared.waiting.values()]

    def _in_doubt(self, waiting: Prepared) -> InDoubt:
        batch = prepared.stored_batch(self._runner.engine, waiting)
        return InDoubt(
            waiting.transaction_id,
            waiting.queue,
            waiting.partition,
            waiting.producer,
            waiting.prepared_ms,
            waiting.checks,
            waiting.next_ms,
            batch.head + batch.payload,
        )

    def _stage_locked(self, decide: Callable[[Engine, int], Entry]) -> tuple[list[Placement], int]:
        runner = self._runner
        if runner.committer.failure is not None:
            raise runner.committer.failure
        runner.tick_locked()  # what was acknowledged before is settled, what expired is not held any more
        return runner.stage_sent_locked(decide)

    def _finish(self, stage: Callable[[], tuple[list[Placement], int]]) -> list[Placement]:
        """Stage under the lock and wait until it is durable."""
        runner, committer = self._runner, self._runner.committer
        waiter = None
        with runner.lock:
            placements, index = stage()
            if not committer.claim_locked():
                waiter = Waiter()
                committer.wait_locked(index, waiter)
        if waiter is None:
            committer.lead()
        else:
            committer.wait(waiter)
        return placements
