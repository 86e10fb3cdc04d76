"""Registrations of callbacks, durable: a table in the store itself, so that they are kept, backed up and replicated as
messages are. What is read back was signed by a key of this server: who may send to that queue cannot forge one."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

import msgspec

from openmessaging.model.batch import HOLE
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.runtime.outgoing import Packer
from openmessaging.runtime.picking import read
from openmessaging.server.http.problem import logger
from openmessaging.server.served import Driver

NAMESPACE = "oms.system"
QUEUE = f"{NAMESPACE}://callbacks"
SEAL = "seal"
_READ = 500


class Registration(msgspec.Struct, frozen=True):
    """A program that wants to be called."""

    queue: str
    """Full name."""
    group: str
    url: str
    acknowledged: bool
    """Whether a message is settled by the answer; else before it is posted."""
    form: Literal["fields", "binary", "structured"] = "fields"
    user: str = ""
    """On whose behalf."""

    @property
    def key(self) -> str:
        """What is registered once: a group of a queue. No name holds a slash."""
        return f"{self.group}/{self.queue}"


class Registry:
    """The registrations of a store.

    Args:
        driver: of the store, unguarded.
        keys: secrets by their ids; the first seals what is written, all are tried on what is read.
    """

    def __init__(self, driver: Driver, keys: Mapping[str, str]) -> None:
        self._driver = driver
        self._keys = keys
        self._packer = Packer("default", "none")
        self._packer.capabilities = driver.capabilities

    async def load(self) -> list[Registration]:
        """All registrations."""
        found: dict[str, Record] = {}
        try:
            ((first, end), *_) = (await self._driver.describe_queue(QUEUE)).offsets
        except OMSRuntimeException as failure:
            if failure.code in (1404, 1405):
                return []
            raise
        while first < end:
            deliveries = await self._driver.read(QUEUE, 0, first, _READ)
            if not deliveries:
                break
            for delivery in deliveries:
                for record in read(delivery)[2][delivery.first : delivery.last]:
                    if record is not HOLE and record.message_key is not None:
                        found[record.message_key] = record
                first = delivery.base_offset + delivery.last
        return [each for record in found.values() if record.data and (each := self._opened(record)) is not None]

    async def put(self, registration: Registration) -> None:
        """Add one, or replace that of its group; returns when it is durable."""
        body = msgspec.json.encode(registration)
        await self._write(registration.key, body, {SEAL: _seal(next(iter(self._keys.values())), body)})

    async def remove(self, key: str) -> None:
        """Forget one; returns when that is durable."""
        await self._write(key, b"", None)

    async def _write(self, key: str, body: bytes, properties: dict[str, str] | None) -> None:
        with contextlib.suppress(OMSRuntimeException):
            await self._driver.create_namespace(NAMESPACE)
        with contextlib.suppress(OMSRuntimeException):
            await self._driver.create_queue(QUEUE, 1, {"compact": True})
        batch, _ = self._packer.pack(QUEUE, 0, (Record(body, key, properties),), True)
        await self._driver.send((batch,))

    def _opened(self, record: Record) -> Registration | None:
        seal = str((record.properties or {}).get(SEAL, ""))
        if not any(hmac.compare_digest(seal, _seal(secret, record.data)) for secret in self._keys.values()):
            logger.warning("the callback %s is dropped: no key of [callbacks] sealed it", record.message_key)
            return None
        return msgspec.json.decode(record.data, type=Registration)


def _seal(secret: str, data: bytes) -> str:
    return hmac.new(secret.encode(), b"registration\n" + data, sha256).hexdigest()
