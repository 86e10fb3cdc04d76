"""A mailbox over the network: its address is the client's, so that it stays when a connection breaks."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from openmessaging.drivers.oms.channel import Channel
from openmessaging.model.errors import OMSSecurityException
from openmessaging.model.mail import Mail

logger = logging.getLogger("openmessaging.driver")


class OmsMailbox:
    """See the module; `take` is called in the driver's loop."""

    def __init__(
        self, channel: Channel, address: str, take: Callable[[Mail], object], serves: tuple[str, str] | None
    ) -> None:
        self._channel = channel
        self.address = address
        self._take = take
        self._serves = serves

    async def open(self) -> None:
        """Open it."""
        self._channel.expect(self.address, self._take)
        await self._channel.own_again("open_mailbox", self.address, self._serves)
        self._channel.resume(self)

    async def resume(self) -> None:
        """Open it on the connection that is being opened."""
        await self._channel.now("open_mailbox", self.address, self._serves)

    def deny(self, failure: OMSSecurityException) -> None:
        """Mail comes no more."""
        logger.warning("a mailbox is closed: %s", failure)

    def wake(self) -> None:
        """Nobody waits for it."""

    async def close(self) -> None:
        """Take no more mail."""
        self._channel.forget(self)
        self._channel.expect_no_more(self.address)
        if self._channel.link is not None:
            with contextlib.suppress(ConnectionError):  # it ended with its connection
                await self._channel.own("close_mailbox", self.address)
