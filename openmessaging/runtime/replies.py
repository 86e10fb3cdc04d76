"""What a requester keeps of calls under way, without I/O: which mail belongs to which, and what of it is handed out.

A correlation id is used once. Mail for a call that is over (late), a second answer of the same service (a request that
was handled twice), or an item from elsewhere than the first came from is counted in `late` and dropped: each call has
at most one outcome.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Protocol

from openmessaging.model.errors import error
from openmessaging.model.mail import Mail, MailKind


class Call(Protocol):
    """A call under way."""

    def take(self, mail: Mail) -> bool:
        """Take what came for it; False when it is of no use."""
        ...

    def fail(self, failure: BaseException) -> object:
        """The request could not be stored."""
        ...


class Calls:
    """Calls of one requester by correlation id; safe for threads (every step is one operation on a dictionary)."""

    __slots__ = ("_numbers", "_open", "_prefix", "late")

    def __init__(self, prefix: str) -> None:
        """`prefix`: random, so that ids are unique everywhere."""
        self._prefix = prefix
        self._numbers = count()
        self._open: dict[str, Call] = {}
        self.late = 0
        """Pieces of mail that were dropped."""

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, call: Call) -> str:
        """A new call; its id."""
        call_id = f"{self._prefix}-{next(self._numbers):x}"
        self._open[call_id] = call
        return call_id

    def end(self, call_id: str) -> None:
        """What comes for it from now on is late."""
        self._open.pop(call_id, None)

    def land(self, mail: Mail) -> None:
        """Take a piece of mail."""
        call = self._open.get(mail.correlation_id)
        if call is None or not call.take(mail):
            self.late += 1

    def fail_all(self, failure: BaseException) -> None:
        """Nothing more will come."""
        for call in list(self._open.values()):
            call.fail(failure)


class Gathering:
    """Answers of several services: one of each group, until `wanted` have come (of the groups known when asking)."""

    def __init__(self, wanted: int, done: Callable[[], object]) -> None:
        self.wanted = wanted
        self.mails: list[Mail] = []
        self.failure: BaseException | None = None
        self._groups: set[str] = set()
        self._done = done

    @property
    def complete(self) -> bool:
        """Whether all have come."""
        return len(self.mails) >= self.wanted

    def take(self, mail: Mail) -> bool:
        """One answer or error of each group."""
        if self.complete or mail.kind not in (MailKind.ANSWER, MailKind.ERROR) or mail.group in self._groups:
            return False
        self._groups.add(mail.group)
        self.mails.append(mail)
        if self.complete:
            self._done()
        return True

    def fail(self, failure: BaseException) -> None:
        """End it."""
        self.failure = failure
        self._done()


class ItemsInOrder:
    """The items of one stream: in order, each once, from one source; then its end or an error.

    Args:
        window: items that may be here and not taken; what goes beyond is refused.
        arrived: called when there is something to take.
    """

    def __init__(self, window: int, arrived: Callable[[], object]) -> None:
        self.window = window
        self.source: str | None = None
        """Mailbox of the service that sends."""
        self.taken = 0
        """Items handed out."""
        self.failure: BaseException | None = None
        self._arrived = arrived
        self._ready: deque[Mail] = deque()
        self._early: dict[int, Mail] = {}
        self._next = 0
        self._end: Mail | None = None
        self._over = False

    def take(self, mail: Mail) -> bool:
        """Take an item, the end, or an error; a lone answer is a stream of one."""
        if self.source is None:
            self.source = mail.source
        if mail.source != self.source or (self._end is not None and mail.kind != MailKind.ITEM):
            return False
        if mail.kind == MailKind.ITEM:
            if not self._next <= mail.sequence < self.taken + self.window or mail.sequence in self._early:
                return False
            self._early[mail.sequence] = mail
        elif mail.kind == MailKind.ANSWER:
            self._early[0] = mail
            self._end = Mail(MailKind.END, mail.correlation_id, 1)
        else:
            self._end = mail
        while (following := self._early.pop(self._next, None)) is not None:
            self._ready.append(following)
            self._next += 1
        self._arrived()
        return True

    def fail(self, failure: BaseException) -> None:
        """End it."""
        self.failure = failure
        self._arrived()

    def pop(self) -> Mail | None:
        """The next item, or the mail that ends the stream (END or ERROR) once all before it was taken; None: wait."""
        if self._ready:
            self.taken += 1
            return self._ready.popleft()
        if self.failure is not None:
            raise self.failure
        end = self._end
        if end is not None and end.sequence <= self._next:
            return end
        return None

    def due_credit(self) -> bool:
        """Whether the service should be told how far it is: each half of a window."""
        return self.taken % max(self.window // 2, 1) == 0


def check_timeout(timeout: float) -> None:
    """Raises OMSRuntimeException 1418 for a time that is not over 0."""
    if not timeout > 0:
        raise error(1418, f"timeout: {timeout!r} is not over 0, in seconds", field="timeout")
