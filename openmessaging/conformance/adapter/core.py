"""Access points, handles and dispatch: the root of the adapter's parts. `spec/conformance.md` lists the operations."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.json_form import from_json, to_json
from openmessaging.model.message import Message
from openmessaging.model.value_text import read_binary
from openmessaging.runtime.aio.access_point import connect

FACES = (
    *("access-points", "lifecycle", "message-factory", "one-way", "async", "compression", "cancel"),
    *("push", "streaming", "interceptors", "metadata"),
)
"""What this library offers itself, whatever system stands behind it."""
_UPPER = re.compile(r"[A-Z]")
Operation = Callable[..., Awaitable[Any]]


def snake(name: str) -> str:
    """`maxMessages` as `max_messages`."""
    return _UPPER.sub(lambda found: f"_{found[0].lower()}", name)


def camel(name: str) -> str:
    """`max_messages` as `maxMessages`."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def as_json(value: Any) -> Any:
    """A structure of the library as a JSON object, members named as in the protocol; settings keep their own names."""
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        return {camel(name): member for name, member in plain.items()}
    return plain


class Core:
    """Handles by name, and what they stand for."""

    def __init__(self, url: str, attributes: dict[str, Any] | None = None) -> None:
        self._url = url
        self._attributes = attributes or {}
        self._handles: dict[str, Any] = {}
        self._count = 0

    async def perform(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Do one operation. Raises what the library raises; OMSUnsupportException for an operation unknown here."""
        method: Operation | None = getattr(self, f"do_{snake(operation)}", None)
        if method is None:
            raise unsupported(f"the operation {operation}")
        return await method(**{snake(name): value for name, value in arguments.items()})

    def keep(self, kind: str, thing: Any) -> str:
        """A handle for something."""
        self._count += 1
        handle = f"{kind}-{self._count}"
        self._handles[handle] = thing
        return handle

    def get(self, handle: str) -> Any:
        """What a handle stands for. Raises OMSRuntimeException 1418 for none."""
        found = self._handles.get(handle)
        if found is None:
            raise error(1418, f"there is no {handle}", field="handle")
        return found

    async def close(self) -> None:
        """Let everything go, the newest first."""
        for handle in reversed(list(self._handles)):
            with suppress(OMSRuntimeException):
                await self.do_release(handle)

    async def do_connect(
        self, url: str | None = None, attributes: dict[str, Any] | None = None, namespace: str | None = None
    ) -> dict[str, Any]:
        """Open an access point, of the system under test unless a URL says another."""
        named = {} if namespace is None else {"namespace": namespace}
        point = connect(url or self._url, {**self._attributes, **(attributes or {})}, **named)
        await point.startup()
        return {"point": self.keep("point", point), **await self._facts(point)}

    async def _facts(self, point: Any) -> dict[str, Any]:
        emulated = sorted(str(each) for each in getattr(point, "emulated", ()))
        found = {*map(str, point.capabilities), *FACES} - set(emulated)
        if "mailbox" in found or {"admin", "browse"} <= found:  # else a library's mailboxes have nothing to stand on
            found.add("request-reply")
        if await _answers(point.resource_manager().delete_namespace("conformance-no-such-namespace"), 1405):
            found.add("namespaces")
        if await _answers(point.resource_manager().list_groups("conformance-no-such-queue"), 1404):
            found.add("listing")
        return {
            "capabilities": sorted(found),
            "emulated": emulated,
            "maxBodyBytes": point.max_body_bytes,
            "version": point.version,
            "specVersion": point.spec_version,
        }

    async def do_attributes(self, point: str) -> dict[str, Any]:
        """The access point's attributes that are JSON values."""
        attributes = self.get(point).attributes
        return {name: value for name, value in attributes.items() if isinstance(value, str | int | float | bool | list)}

    async def do_start(self, service: str) -> None:
        """Start a producer, a consumer or a service."""
        await self.get(service).start()

    async def do_stop(self, service: str) -> None:
        """Stop it."""
        await self.get(service).stop()

    async def do_state(self, service: str) -> str:
        """Where it is in its life: INITIALIZED, STARTING, STARTED, STOPPING or STOPPED."""
        return str(self.get(service).current_state.name)

    async def do_release(self, handle: str) -> None:
        """Stop what a handle stands for, if it can be stopped, and forget it; again is no error."""
        thing = self._handles.pop(handle, None)
        if hasattr(thing, "close"):
            await thing.close()

    async def do_queue_meta_data(self, service: str, queue: str) -> list[dict[str, Any]]:
        """A queue's partitions with their offsets."""
        return [as_json(each) for each in await self.get(service).get_extension().get_queue_meta_data(queue)]


async def _answers(call: Awaitable[Any], code: int) -> bool:
    """Whether a call is there: no driver says so of each, but one that has it refuses what is missing by its code."""
    try:
        await call
    except OMSRuntimeException as refusal:
        return refusal.code == code
    return True


def as_message(document: dict[str, Any]) -> Message:
    """The message of a document. Raises as `from_json`."""
    return from_json(document)


def as_document(message: Message) -> dict[str, Any]:
    """The document of a message."""
    return to_json(message)


def as_bytes(data: str) -> bytes:
    """The bytes of base64 text."""
    return read_binary(data)
