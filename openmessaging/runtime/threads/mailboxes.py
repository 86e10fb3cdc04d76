# Generated from openmessaging/runtime/aio/mailboxes.py by scripts/unasync.py: change that file instead.
"""Mailboxes for a driver that has none: an emulation over queues.

A mailbox is a queue of its own, read by its owner without a group and deleted when it is closed; that of a service has
queue and group in its name, which is how services are found. Mail is stored here, and what a killed process leaves
behind stays until the queue is deleted: a service that died so still counts as there, and a requester as waiting.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.model.mail import Handed, Mail, ServiceInfo, no_responders
from openmessaging.model.message import Record
from openmessaging.model.spi import Capability, Delivery, Done, OutgoingBatch
from openmessaging.runtime.interceptor import logger
from openmessaging.runtime.lease import DeliveryOrigin
from openmessaging.runtime.outgoing import Packer
from openmessaging.runtime.threads.primitives import IDLE_WAIT, Driver, Task, sleep

_OF_REQUESTER = "rpc.mailbox."
_OF_SERVICE = ".rpc-service."
_KIND, _SEQUENCE, _SOURCE, _GROUP, _EMPTY = "rpc.kind", "rpc.sequence", "rpc.source", "rpc.group", "rpc.empty"
_KEPT = 120.0
"""Seconds that mail is kept at least."""
_FRESH = 1.0
"""Seconds that what was found out about mailboxes is believed."""
_PAUSE = 0.5
"""Seconds until the next try to read a mailbox."""


class QueueMailboxes:
    """The mailbox part of the driver SPI over the rest of it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._packer = Packer(DEFAULT_NAMESPACE, "none")
        self._open: set[str] = set()
        self._readers: dict[str, Task] = {}
        self._found: dict[str, tuple[float, Any]] = {}

    def hand_over(self, _: Handed) -> bool:
        """Nothing is handed over."""
        return False

    def open_mailbox(
        self, take: Callable[[Mail], object], serves: tuple[str, str] | None = None, _: object = None
    ) -> str:
        """Make a queue and read it."""
        name = secrets.token_hex(8)
        address = f"{DEFAULT_NAMESPACE}://{_OF_REQUESTER}{name}"
        if serves is not None:
            address = f"{serves[0]}.{serves[1]}{_OF_SERVICE}{len(serves[0])}.{name}"
        self._driver.create_queue(address, 1, {"retention_age": _KEPT})
        self._open.add(address)
        self._readers[address] = Task(self._read, address, take)
        return address

    def close_mailbox(self, address: str) -> None:
        """Delete the queue."""
        self._open.discard(address)
        reader = self._readers.pop(address, None)
        if reader is not None:
            reader.cancel()
            try:
                self._driver.delete_queue(address)
            except OMSDestinationException:
                logger.debug("the mailbox %s was deleted by another", address)

    def post(self, address: str, mail: Mail) -> bool:
        """Send mail as a message."""
        if not self.has_mailbox(address):
            return False
        batch, _ = self._packer.pack(address, 0, (to_record(mail),))
        self._driver.send((batch,))
        return True

    def ask(self, batch: OutgoingBatch, done: Done) -> None:
        """Send a request. Raises OMSRuntimeException 1503 when nobody serves its queue."""
        if not self.services(batch.destination):
            raise no_responders(batch.destination)
        self._driver.submit(batch, done)

    def has_mailbox(self, address: str, _seen_ms: int = 0) -> bool:
        """Whether there is the queue."""
        return bool(self._recent(address, partial(self._exists, address)))

    def services(self, queue: str | None = None) -> list[ServiceInfo]:
        """The services whose mailboxes are there."""
        found: list[ServiceInfo] = self._recent(f"services of {queue}", partial(self._list, queue))
        return found

    def _recent(self, key: str, find: Callable[[], Any]) -> Any:
        """What was found a moment ago, if it was something; else find it."""
        then, found = self._found.get(key, (0.0, None))
        if not found or monotonic() - then > _FRESH:
            found = find()
            if len(self._found) > 1_000:
                self._found.clear()
            self._found[key] = monotonic(), found
        return found

    def _exists(self, address: str) -> bool:
        try:
            self._driver.describe_queue(address)
        except OMSDestinationException:
            return False
        return True

    def _list(self, queue: str | None) -> list[ServiceInfo]:
        found: list[ServiceInfo] = []
        for namespace in self._driver.list_namespaces():
            for name in self._driver.list_queues(namespace):
                served, _, rest = name.rpartition(_OF_SERVICE)
                size = rest.partition(".")[0]
                if served and size.isdecimal() and queue in (None, served[: int(size)]):
                    found.append(ServiceInfo(served[: int(size)], served[int(size) + 1 :], name))
        return found

    def _read(self, address: str, take: Callable[[Mail], object]) -> None:
        offset = 0
        while address in self._open:
            try:
                deliveries: list[Delivery] = self._driver.read(address, 0, offset, 500, min(IDLE_WAIT, 30.0))
            except OMSRuntimeException as failure:
                if failure.code in (1404, 1503):
                    return
                logger.warning("reading the mailbox %s failed, trying again: %s", address, failure)
                sleep(_PAUSE)
                continue
            for delivery in deliveries:
                for record in DeliveryOrigin(delivery).members:
                    mail = from_record(record)
                    if mail is not None:
                        take(mail)
                offset = delivery.base_offset + delivery.last


def mailboxes_of(driver: Driver) -> Any:
    """The mailbox part of the SPI: the driver's own, or the emulation."""
    return driver if Capability.MAILBOX in driver.capabilities else QueueMailboxes(driver)


def to_record(mail: Mail) -> Record:
    """Mail as the record of a message."""
    record = mail.record or Record(b"")
    properties = {
        **(record.properties or {}),
        _KIND: int(mail.kind),
        _SEQUENCE: mail.sequence,
        _SOURCE: mail.source,
        _GROUP: mail.group,
    }
    if mail.record is None:
        properties[_EMPTY] = True
    headers = {**(record.headers or {}), "correlationId": mail.correlation_id}
    return Record(record.data, record.message_key, properties, headers)


def from_record(record: Record) -> Mail | None:
    """The mail of a message's record; None for a message that is no mail."""
    properties, headers = record.properties or {}, record.headers or {}
    kind, call_id = properties.pop(_KIND, None), headers.pop("correlationId", None)
    if kind is None or call_id is None:
        return None
    sequence, source, group = properties.pop(_SEQUENCE, 0), properties.pop(_SOURCE, ""), properties.pop(_GROUP, "")
    inner = Record(record.data, record.message_key, properties or None, headers or None)
    return Mail(kind, call_id, sequence, source, group, None if properties.pop(_EMPTY, False) else inner)
