"""What stands in the bodies of frames: MessagePack arrays, in the order of the fields here.

Arrays may grow at their end: a reader ignores what it does not know, and takes the default for what is missing.
Structures of the driver SPI (`Placement`, `Delivery`, settings) are MessagePack maps by the names of their fields.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any

import msgspec

from openmessaging.model.errors import (
    OMSDestinationException,
    OMSMessageFormatException,
    OMSRuntimeException,
    OMSSecurityException,
    OMSTimeOutException,
    OMSTransactionException,
    OMSUnsupportException,
)
from openmessaging.model.mail import Mail
from openmessaging.model.replay import Delivery
from openmessaging.model.spi import Placement
from openmessaging.model.timing import Timing
from openmessaging.model.unique import Unique
from openmessaging.wire.frames import Kind, ProtocolError

MAGIC = "OMS"
VERSION = 1

_encode = msgspec.msgpack.Encoder().encode
_CLASSES = {
    each.__name__: each
    for each in (
        OMSRuntimeException,
        OMSDestinationException,
        OMSMessageFormatException,
        OMSSecurityException,
        OMSTimeOutException,
        OMSTransactionException,
        OMSUnsupportException,
    )
}


@cache
def software() -> str:
    """What this end is, for the other's logs; looked up once, for the installed packages are searched for it."""
    from importlib.metadata import version

    return f"openmessaging for Python {version('openmessaging')}"


class Body(msgspec.Struct, array_like=True, gc=False, eq=True):
    """The root of all bodies."""

    def encoded(self) -> bytes:
        """MessagePack."""
        return _encode(self)


class Hello(Body):
    """The client's first frame."""

    magic: str
    versions: list[int]
    software: str
    client: str
    """A name for logs and the list of connections."""
    account: str = ""
    key: str = ""
    region: str = ""


class Welcome(Body):
    """The server's answer to HELLO."""

    version: int
    software: str
    capabilities: list[str]
    max_body_bytes: int
    max_frame_bytes: int
    heartbeat_ms: int
    """Whoever has sent nothing for so long sends PING; whoever has heard nothing for three times that hangs up."""
    now_ms: int


class SendItem(Body):
    """One batch to be stored, or one place of a transaction."""

    destination: str
    partition: int | None
    batch: memoryview
    priority: int | None = None
    timing: Timing | None = None
    unique: Unique | None = None


class LeaseOf(Body):
    """Messages of a lease that a SEND settles."""

    subscription: int
    lease_id: int
    offsets: list[int] | None = None


class Send(Body):
    """Batches to be stored together, and messages to be settled with them: all or nothing."""

    items: list[SendItem]
    settlements: list[LeaseOf] | None = None
    since_ms: int = 0
    """Not 0: this is sent again, for a connection broke; the first time was not before this, by the server's clock."""
    asks: bool = False
    """These are requests: refused with 1503 where no service serves a queue."""


class Placed(Body):
    """Where the batches of a SEND are."""

    placements: list[Placement]


class Fetch(Body):
    """Credit for at most so many messages and about so many bytes, for `wait_ms`."""

    subscription: int
    max_messages: int
    max_bytes: int
    wait_ms: int


class Delivered(Body):
    """What a FETCH brought; nothing when its time was over."""

    deliveries: list[Delivery]


class Verb(IntEnum):
    """What is done with messages of a lease."""

    ACK = 0
    NACK = 1
    REJECT = 2
    RELEASE = 3
    EXTEND = 4


class Step(Body):
    """One step of a SETTLE."""

    verb: int
    lease_id: int
    offsets: list[int] | None
    """None: all that is left of the lease."""
    seconds: float | None = None
    """Of NACK the delay, of EXTEND the invisible time."""
    reason: str = ""


class Settle(Body):
    """What happens to messages of leases, in order."""

    subscription: int
    steps: list[Step]


class Settled(Body):
    """A SETTLE was done; the steps that failed, by their place."""

    failures: list[tuple[int, Refusal]] = []


class Call(Body):
    """An operation of the table in `operations.py`."""

    operation: str
    arguments: msgspec.Raw
    """An array."""


class Result(Body):
    """What a CALL returned."""

    value: msgspec.Raw


class Refusal(Body):
    """Why a request failed."""

    code: int
    kind: str
    """The name of the error's class."""
    reason: str
    next_step: str = ""
    field: str | None = None

    @classmethod
    def of(cls, failure: BaseException) -> Refusal:
        """An error as it travels; what is none of the standard's is told as a server error without its inside."""
        if isinstance(failure, OMSRuntimeException):
            return cls(failure.code, type(failure).__name__, failure.reason, failure.next_step, failure.field)
        return cls(1500, "OMSRuntimeException", "the server failed", "Its log says why")

    def error(self) -> OMSRuntimeException:
        """The error as it was raised at the other end."""
        found = _CLASSES.get(self.kind, OMSRuntimeException)
        return found(self.code, self.reason, next_step=self.next_step, field=self.field)


class Goaway(Body):
    """The server is about to close: nothing new may be asked here, what was asked is still answered."""

    reason: str


class Letter(Body):
    """Mail for a mailbox of this connection."""

    address: str
    mail: Mail


BODIES: dict[int, type[Body]] = {
    Kind.HELLO: Hello,
    Kind.WELCOME: Welcome,
    Kind.SEND: Send,
    Kind.PLACED: Placed,
    Kind.FETCH: Fetch,
    Kind.DELIVERED: Delivered,
    Kind.SETTLE: Settle,
    Kind.SETTLED: Settled,
    Kind.CALL: Call,
    Kind.RESULT: Result,
    Kind.ERROR: Refusal,
    Kind.GOAWAY: Goaway,
    Kind.MAIL: Letter,
}
_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(body) for kind, body in BODIES.items()
}


def decode_body(kind: int, body: bytes | memoryview) -> Any:
    """The body of a frame, as its class. Raises ProtocolError."""
    try:
        return _DECODERS[kind].decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError(f"the body of a {Kind(kind).name} frame: {cause}") from cause
