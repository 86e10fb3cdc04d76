"""What a worker process tells the process that started it: one JSON document per line, through a pipe."""

from __future__ import annotations

import msgspec

from openmessaging.demo.data import Flight
from openmessaging.model.errors import OMSRuntimeException, error


class Plan(msgspec.Struct, frozen=True):
    """What a worker is to do, given on its command line."""

    store: str
    """Directory."""
    flights: str
    """Queue of the flights."""
    late: str
    """Queue of the late ones."""
    total: int
    """Number of flights to send."""
    received: int
    """How many different ones were received before it started."""
    data: str | None
    """File of the flights; None: those of the package."""


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The worker has the store."""

    pid: int
    stored: int
    """Flights that are in the queue already: where the sender goes on."""
    waiting: int
    """Flights that the group has not acknowledged yet."""


class Sent(msgspec.Struct, frozen=True, tag=True):
    """A batch of flights was acknowledged by the store."""

    flights: int


class Received(msgspec.Struct, frozen=True, tag=True):
    """A member has a flight; said before it does anything with it."""

    member: int
    message_id: str
    flight: Flight
    again: bool = False
    """Whether it was reported before; found out by the job."""


class Finished(msgspec.Struct, frozen=True, tag=True):
    """Everything was sent and acknowledged, the store is closed."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The worker cannot go on."""

    code: int
    reason: str
    next_step: str = ""

    def exception(self) -> OMSRuntimeException:
        """The same as an exception."""
        return error(self.code, self.reason, next_step=self.next_step)


class Begun(msgspec.Struct, frozen=True, tag=True):
    """Said by the job itself: the queues are there."""

    total: int
    flights: str
    late: str
    store: str


class Killed(msgspec.Struct, frozen=True, tag=True):
    """Said by the job itself: the worker got SIGKILL."""

    pid: int
    received: int


class Drained(msgspec.Struct, frozen=True, tag=True):
    """Said by the job itself: messages of the late queue were read."""

    late: int


Report = Opened | Sent | Received | Finished | Failed
Step = Report | Begun | Killed | Drained
"""Everything that may be shown while it runs."""
