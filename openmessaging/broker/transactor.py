"""Transactions on a running store: what the driver calls. The decisions are in `openmessaging.broker.transactions`."""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.broker.committer import Waiter
from openmessaging.broker.runner import Runner
from openmessaging.broker.transactions import Settled
from openmessaging.model.spi import OutgoingBatch, Placement


class Transactor:
    """Changes that take effect as a whole; each returns once it is as durable as a send. For many threads."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def commit(self, batches: Sequence[OutgoingBatch], settled: Sequence[Settled]) -> list[Placement]:
        """Store batches and settle messages in one entry. Raises as `Engine.decide_commit`, 1501, 1503."""
        runner, committer = self._runner, self._runner.committer
        waiter = None
        with runner.lock:
            placements, index = self.stage_commit_locked(batches, settled)
            if not committer.claim_locked():
                waiter = Waiter()
                committer.wait_locked(index, waiter)
        if waiter is None:
            committer.lead()
        else:
            committer.wait(waiter)
        return placements

    def stage_commit_locked(
        self, batches: Sequence[OutgoingBatch], settled: Sequence[Settled]
    ) -> tuple[list[Placement], int]:
        """Append a commit to the log without waiting; returns the placements and the entry's index."""
        runner = self._runner
        if runner.committer.failure is not None:
            raise runner.committer.failure
        runner.tick_locked()  # what was acknowledged before is settled, what expired is not held any more
        return runner.stage_sent_locked(lambda engine, now_ms: engine.decide_commit(now_ms, batches, settled))
