"""A queue that an app sends to, with the type of its bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from openmessaging.model.key_value import PropertyValue
from openmessaging.model.message import Message
from openmessaging.runtime.result import SendResult

if TYPE_CHECKING:
    from openmessaging.app.application import App
    from openmessaging.app.codec import Codec

T = TypeVar("T")


class Publisher(Generic[T]):
    """Sends bodies of one type to one queue. Made by `App.publisher`."""

    def __init__(self, app: App, queue: str, kind: Any, codec: Codec, description: str) -> None:
        self.queue = queue
        self.kind = kind
        """The type of the bodies."""
        self.codec = codec
        self.description = description
        self._app = app

    async def send(
        self, value: T, *, key: str | None = None, properties: dict[str, PropertyValue] | None = None, **headers: Any
    ) -> SendResult:
        """As `App.send`, to this queue."""
        return await self._app.send(self.queue, value, key=key, properties=properties, codec=self.codec, **headers)

    def message(
        self, value: T, *, key: str | None = None, properties: dict[str, PropertyValue] | None = None, **headers: Any
    ) -> Message:
        """As `App.message`, for this queue."""
        return self._app.message(self.queue, value, key=key, properties=properties, codec=self.codec, **headers)
