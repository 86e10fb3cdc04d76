"""What is shown on standard error while the main job runs: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from openmessaging.demo.report import Begun, Finished, Killed, Opened, Received, Sent, Step


@contextmanager
def showing() -> Iterator[Callable[[Step], None]]:
    """Call what it gives with each step."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Display(console, progress).show


class Display:
    """The state of what is shown."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._sent = progress.add_task("sent", total=None)
        self._received = progress.add_task("received", total=None)
        self._workers = 0

    def show(self, step: Step) -> None:
        """Move a bar, or say what happened."""
        progress = self._progress
        if isinstance(step, Received):
            progress.advance(self._received, 0 if step.again else 1)
        elif isinstance(step, Sent):
            progress.advance(self._sent, step.flights)
        elif isinstance(step, Begun):
            progress.update(self._sent, total=step.total)
            progress.update(self._received, total=step.total)
        elif isinstance(step, Opened):
            progress.update(self._sent, completed=step.stored)
        if text := self._text(step):
            self._console.print(text, markup=False, soft_wrap=True)

    def _text(self, step: Step) -> str:
        if isinstance(step, Begun):
            return (
                f"{step.total:,} flights to the queue {step.flights}, late ones to {step.late}, store in {step.store}"
            )
        if isinstance(step, Opened):
            self._workers += 1
            if self._workers == 1:
                return f"process {step.pid} has the store: one sender, three members of the group read"
            left = f"{step.stored:,} flights in the queue, {step.waiting:,} of them not acknowledged"
            return f"process {step.pid} reopened the store and goes on: {left}"
        if isinstance(step, Killed):
            return f"process {step.pid} killed (SIGKILL) after {step.received:,} flights were received"
        if isinstance(step, Finished):
            return "everything is sent, received and acknowledged; counting the late flights"
        return ""
