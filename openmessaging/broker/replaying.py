"""Copies and views of a running store: what going back and reading a queue as a table need of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openmessaging.broker import copies
from openmessaging.broker.draft import Draft
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import EndCopy, Entry
from openmessaging.broker.looking import Looking
from openmessaging.model.replay import CopyInfo, TableView


class Replaying(Looking):
    """Copies and views; each change returns once it is durable."""

    def begin_copy(
        self, name: str, source: str, target: str, bounds: Sequence[tuple[int, int]], keep: bool
    ) -> CopyInfo:
        """Begin a copy, or take up the one of that name. Raises as `copies.begin`."""
        return self._copying(
            name,
            lambda engine, now_ms: copies.begin(
                Draft(engine, engine.limits, now_ms), engine, name, source, target, bounds, keep
            ),
        )

    def advance_copy(self, name: str, max_messages: int) -> CopyInfo:
        """Copy about that many messages more. Raises as `copies.advance`."""
        return self._copying(
            name,
            lambda engine, now_ms: copies.advance(
                Draft(engine, engine.limits, now_ms), engine, engine.contents, name, max_messages
            ),
        )

    def list_copies(self) -> list[CopyInfo]:
        """Copies under way, and those that are remembered, by name."""
        with self.runner.lock:
            self.runner.tick_locked()
            return [copy.info for _, copy in sorted(self.runner.engine.copies.items())]

    def end_copy(self, name: str) -> None:
        """Forget a copy. Raises 1404."""

        def decide(engine: Engine, now_ms: int) -> Entry:
            copies.copy_named(engine, name)
            return Entry(now_ms, (EndCopy(name),))

        self.runner.change(decide)

    def open_view(self, destination: str) -> TableView:
        """See a queue as it is now. Raises 1404."""
        runner = self.runner
        with runner.lock:
            runner.tick_locked()
            partitions = runner.engine.queue(destination).partitions
            ends = {partition.id: partition.visible for partition in partitions}
            number = runner.views.open(ends, runner.clock.monotonic())
            return TableView(number, [(partition.start, partition.visible) for partition in partitions])

    def renew_view(self, view_id: int) -> None:
        """Go on with a view. Raises 1418 when it is over."""
        with self.runner.lock:
            self.runner.views.renew(view_id, self.runner.clock.monotonic())

    def close_view(self, view_id: int) -> None:
        """It is not needed any more."""
        with self.runner.lock:
            self.runner.views.close(view_id)

    def _copying(self, name: str, decide: Callable[[Engine, int], Entry]) -> CopyInfo:
        """Decide and apply a step of a copy; what it then is, also when that step was its last."""
        runner = self.runner
        with runner.lock:
            runner.tick_locked()
            engine = runner.engine
            copy = engine.copies.get(name)
            entry = decide(engine, runner.clock.now_ms())
            if entry.operations:
                runner.stage_locked(entry, reserved=False)
            info = (copy or engine.copies[name]).info
        runner.flush()
        return info
