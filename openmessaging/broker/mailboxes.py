"""The mailboxes of a store: who has opened one, and which of them serve a queue. In memory alone, and safe for threads:
every step is one operation on a dictionary."""

from __future__ import annotations

from collections.abc import Callable

from openmessaging.model.mail import Handed, Mail, ServiceInfo

Take = Callable[[Mail], object]
"""Takes a piece of mail; returns at once, is called from any thread."""
Offer = Callable[[], Callable[[Handed], object] | None]
"""Gives somebody who is free, if there is one, to be called with a request; is called from any thread."""


class Mailboxes:
    """Mailboxes by address."""

    def __init__(self) -> None:
        self._open: dict[str, Take] = {}
        self._services: dict[str, dict[str, ServiceInfo]] = {}
        self._desks: dict[str, dict[str, tuple[str, Offer]]] = {}

    def open(self, address: str, take: Take, serves: tuple[str, str] | None, offer: Offer | None = None) -> None:
        """Open a mailbox; `serves`: queue and group of the service it belongs to."""
        self._open[address] = take
        if serves is not None:
            queue, group = serves
            self._services.setdefault(queue, {})[address] = ServiceInfo(queue, group, address)
            if offer is not None:
                self._desks.setdefault(queue, {})[address] = group, offer

    def close(self, address: str, take: Take | None = None) -> None:
        """Take nothing more, and offer nothing more; nothing happens when it is closed, or when `take` is given and it
        has been opened anew with another one."""
        if take is not None and self._open.get(address) is not take:
            return
        self._open.pop(address, None)
        for serving in list(self._services.values()):
            serving.pop(address, None)
        for desks in list(self._desks.values()):
            desks.pop(address, None)

    def post(self, address: str, mail: Mail) -> bool:
        """Deliver; False when there is no such mailbox (any more)."""
        take = self._open.get(address)
        if take is None:
            return False
        take(mail)
        return True

    def has(self, address: str) -> bool:
        """Whether a mailbox is open."""
        return address in self._open

    def desks(self, queue: str) -> list[tuple[str, Offer]]:
        """The services of a queue that can be handed requests, each with its group."""
        return list(self._desks.get(queue, {}).values())

    def services(self, queue: str | None) -> list[ServiceInfo]:
        """The services of a queue (full name), or all."""
        if queue is not None:
            return list(self._services.get(queue, {}).values())
        return [info for serving in list(self._services.values()) for info in list(serving.values())]
