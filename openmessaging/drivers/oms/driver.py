"""The driver SPI over the native protocol. What is not written out here is a call of the same name, see
`openmessaging/wire/operations.py`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from openmessaging.drivers.oms.channel import Channel, Sending
from openmessaging.drivers.oms.link import settle
from openmessaging.drivers.oms.mailbox import OmsMailbox
from openmessaging.drivers.oms.subscription import OmsSubscription, listed
from openmessaging.model.mail import Handed, Mail
from openmessaging.model.spi import Capability, Done, OutgoingBatch, Placement, SubscriptionSpec
from openmessaging.model.transaction import Settlement
from openmessaging.wire.bodies import LeaseOf
from openmessaging.wire.operations import OPERATIONS

BELIEVED_MS = 250
"""How long a mailbox that was seen is believed to be open."""


class OmsDriver:
    """A server, over one connection at a time."""

    def __init__(self, channel: Channel) -> None:
        assert channel.link is not None
        welcome = channel.link.welcome
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self.capabilities = frozenset(Capability(each) for each in welcome.capabilities if each in set(Capability))
        self.max_body_bytes = welcome.max_body_bytes
        self.soon = channel.soon
        self._mailboxes: dict[str, OmsMailbox] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in OPERATIONS:
            raise AttributeError(name)
        call = partial(self._channel.call, name)
        setattr(self, name, call)
        return call

    # ---- sending ---------------------------------------------------------------------------------------------------

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none."""
        return await self._send(batches)

    async def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, or do none of it."""

        def place() -> list[LeaseOf]:
            """A subscription has another number on each connection."""
            return [
                LeaseOf(each.subscription.number, each.lease_id, listed(each.offsets))  # type: ignore[attr-defined] # this driver's
                for each in settlements
            ]

        return await self._send(batches, place)

    async def _send(
        self, batches: Sequence[OutgoingBatch], settlements: Callable[[], list[LeaseOf]] | None = None
    ) -> list[Placement]:
        stored: asyncio.Future[list[Placement]] = self._loop.create_future()
        number = self._channel.send(Sending(batches, partial(settle, stored), settlements))
        try:
            return await stored
        except asyncio.CancelledError:
            self._channel.unsend(number)
            raise

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over; `done` is called when the server has answered."""
        self._channel.send(Sending((batch,), partial(_first, done)))

    def ask(self, batch: OutgoingBatch, done: Done) -> None:
        """Send a request; the server refuses it with 1503 when nobody serves its queue."""
        self._channel.send(Sending((batch,), partial(_first, done), asks=True))

    def hand_over(self, _: Handed) -> bool:
        """Never: requests travel as messages."""
        return False

    def send_now(self, _: OutgoingBatch) -> Placement | None:
        """Never: it takes a round trip."""
        return None

    # ---- receiving -------------------------------------------------------------------------------------------------

    async def subscribe(self, spec: SubscriptionSpec) -> OmsSubscription:
        """Join a consumer group."""
        subscription = OmsSubscription(self._channel, spec)
        await subscription.open()
        return subscription

    # ---- mail ------------------------------------------------------------------------------------------------------

    async def open_mailbox(
        self,
        take: Callable[[Mail], object],
        serves: tuple[str, str] | None = None,
        offer: Callable[[], object] | None = None,  # noqa: ARG002 - the SPI's; nothing is handed over
    ) -> str:
        """Open a mailbox; it keeps its address over connections that break."""
        mailbox = OmsMailbox(self._channel, secrets.token_hex(16), take, serves)
        await mailbox.open()
        self._mailboxes[mailbox.address] = mailbox
        return mailbox.address

    async def close_mailbox(self, address: str) -> None:
        """Take no more mail."""
        mailbox = self._mailboxes.pop(address, None)
        if mailbox is not None:
            await mailbox.close()

    def has_mailbox(self, address: str, seen_ms: int = 0) -> bool | Awaitable[bool]:
        """Whether a mailbox is open; one that was seen less than `BELIEVED_MS` ago is taken to be."""
        link = self._channel.link
        if link is not None and 0 <= link.server_ms() - seen_ms < BELIEVED_MS:
            return True
        return self._channel.call("has_mailbox", address)

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()


def _first(done: Done, placements: list[Placement] | None, failure: BaseException | None) -> None:
    done(placements[0] if placements else None, failure)
