"""What an app sends: messages and requests with values as their bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from openmessaging.app.codec import Codec, decoder, encode
from openmessaging.model.key_value import PropertyValue
from openmessaging.model.message import Message
from openmessaging.runtime.result import SendResult

if TYPE_CHECKING:
    from openmessaging.app.running import Running

T = TypeVar("T")


class Sending:
    """The part of an app that sends."""

    codec: Codec

    @property
    def running(self) -> Running:
        """What there is while it runs."""
        raise NotImplementedError

    async def send(
        self,
        queue: str,
        value: Any,
        *,
        key: str | None = None,
        properties: dict[str, PropertyValue] | None = None,
        codec: Codec | None = None,
        **headers: Any,
    ) -> SendResult:
        """Send a value as the body of a message; returns when it is as durable as the result says.

        Args:
            queue: where to.
            value: bytes and str go as they are, all else as the codec writes it.
            key: messages of one key keep their order.
            properties: the user's own fields.
            codec: None: the app's.
            headers: other header fields by their names in Python, such as `correlation_id`.

        Raises what `Producer.send` raises, and TypeError for a value that the codec cannot write.
        """
        message = self.message(queue, value, key=key, properties=properties, codec=codec, **headers)
        return await self.running.producer.send(message)

    @overload
    async def request(
        self,
        queue: str,
        value: Any,
        kind: type[T],
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        codec: Codec | None = None,
        **fields: Any,
    ) -> T: ...
    @overload
    async def request(
        self,
        queue: str,
        value: Any,
        kind: Any = Any,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        codec: Codec | None = None,
        **fields: Any,
    ) -> Any: ...
    async def request(
        self,
        queue: str,
        value: Any,
        kind: Any = Any,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        codec: Codec | None = None,
        **fields: Any,
    ) -> Any:
        """Ask a service, and return its answer as a value.

        Args:
            queue: of the service.
            value: the body of the request, written as by `send`.
            kind: the type of the answer; `bytes` takes the body as it is.
            timeout: seconds until the answer must be here; None: 10.
            idempotent: whether it may be handled again when a service dies of it.
            codec: of both bodies; None: the app's.
            fields: `key`, `properties` and header fields, as for `send`.

        Raises what `Producer.request` raises, OMSRemoteException for what the service raised, and what the codec raises
        for an answer of another type.
        """
        codec = codec or self.codec
        message = self.message(queue, value, codec=codec, **fields)
        answer = await self.running.producer.request(message, timeout, idempotent=idempotent)
        return decoder(codec, kind)(answer.data)

    @asynccontextmanager
    async def request_stream(
        self,
        queue: str,
        value: Any,
        kind: Any = Any,
        *,
        timeout: float | None = None,
        window: int = 64,
        codec: Codec | None = None,
        **fields: Any,
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """Ask a service that answers with a stream: `async with` it, and iterate over the values.

        Arguments as `request`; `timeout` is for each item, at most `window` items are under way. Leaving early cancels
        the request.
        """
        codec = codec or self.codec
        message = self.message(queue, value, codec=codec, **fields)
        decode = decoder(codec, kind)
        async with self.running.producer.request_stream(message, timeout, window=window) as replies:
            yield (decode(reply.data) async for reply in replies)

    def message(
        self,
        queue: str,
        value: Any,
        *,
        key: str | None = None,
        properties: dict[str, PropertyValue] | None = None,
        codec: Codec | None = None,
        **headers: Any,
    ) -> Message:
        """A message with a value as its body, not sent yet: for a listener to return, for a transaction, for a batch.

        Arguments as `send`. Raises OMSRuntimeException 1503 unless the app runs, OMSMessageFormatException 1400, 1413,
        TypeError for a value that the codec cannot write.
        """
        body = encode(codec or self.codec, value)
        return self.running.producer.create_message(queue, body, message_key=key, properties=properties, **headers)
