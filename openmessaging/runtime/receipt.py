"""The receipt of a delivery: a value, with a text form that another process may use later.

Source: runtime interface, "message receipt"; its fields and text are this project's.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from openmessaging.model.errors import error

_encode = msgspec.msgpack.Encoder().encode


class MessageReceipt(msgspec.Struct, frozen=True, array_like=True):
    """Says which delivery of which message is meant, when it is acknowledged or read from."""

    message_id: str
    queue: str
    """Full name."""
    partition: int
    offset: int
    delivery: int
    """Which delivery of the message, 1 for the first."""
    lease_id: int

    def __str__(self) -> str:
        """The text form, opaque and safe in URLs."""
        return base64.urlsafe_b64encode(_encode(self)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> MessageReceipt:
        """The receipt of a text form. Raises OMSRuntimeException 1418 for any other text."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return msgspec.msgpack.decode(data, type=cls)
        except (TypeError, ValueError, binascii.Error, msgspec.MsgspecError) as cause:
            step = "Use the text of `str(message.receipt)`"
            raise error(1418, f"{text!r} is no receipt", next_step=step, field="receipt") from cause
