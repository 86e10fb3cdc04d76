"""What a listener is handed beside its messages. Source: runtime interface 1.0.0, "message listener"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from openmessaging.model.errors import error
from openmessaging.runtime.lease import Lease
from openmessaging.runtime.receipt import MessageReceipt


class Held(Protocol):
    """A received message of either face."""

    lease: Lease
    leased_offset: int

    @property
    def receipt(self) -> MessageReceipt:
        """Which delivery it is."""
        ...


class ListenerContext:
    """Settles the messages of one call of a listener, at once and without waiting, on both faces alike."""

    def __init__(self, messages: Sequence[Held], attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        """The user's own; interceptors see the same."""
        self._messages = messages

    def ack(self) -> None:
        """All messages are done. Raises OMSRuntimeException 1418 when their lease is over."""
        self.success(*self._messages)

    def success(self, *which: Held | MessageReceipt) -> None:
        """These messages are done, the others not: messages or receipts. Raises as `ack`, 1418 also for one that is not
        of this call.
        """
        offsets: dict[Lease, list[int]] = {}
        for each in which:
            message = self._find(each) if isinstance(each, MessageReceipt) else each
            offsets.setdefault(message.lease, []).append(message.leased_offset)
        for lease, members in offsets.items():
            lease.ack(members)

    def reject(self, which: Held | MessageReceipt, reason: str = "") -> None:
        """A message that can never be handled: it goes to the dead-letter queue now. Raises as `success`."""
        message = self._find(which) if isinstance(which, MessageReceipt) else which
        message.lease.reject([message.leased_offset], reason)

    def _find(self, receipt: MessageReceipt) -> Held:
        for message in self._messages:
            if message.receipt == receipt:
                return message
        step = "Acknowledge messages of this call only"
        raise error(1418, "the receipt is not of this call", next_step=step, field="receipt")
