"""A message: the standard's five parts, over the compact record that is stored.

A `Record` is what a batch holds per message: body, key, properties and the rare headers. What all messages of a batch
share (born time and host, producer, the base of the ids) stands once in the batch. A `Message` is the face: the record
with its destination and, once sent or received, its place.

Source: specification 1.0.0, "message".
"""

from __future__ import annotations

from typing import Any, Protocol

import google_crc32c
import msgspec

from openmessaging.model.errors import OMSMessageFormatException, bad_format
from openmessaging.model.headers import PROVIDER_FIELDS, ExtensionHeader, Header, check_header
from openmessaging.model.key_value import KeyValue

VERSION = "1.0.0"
"""Version of the standard that messages follow."""


class Record(msgspec.Struct, array_like=True, gc=False, eq=True):
    """One message inside a batch, as it is encoded: an array of four."""

    data: bytes
    message_key: str | None = None
    properties: dict[str, Any] | None = None
    headers: dict[str, Any] | None = None
    """Header fields by their standard names that this message has for itself alone."""


class Origin(Protocol):
    """What messages of one batch share: of a batch that was sent, or of a delivery that was received."""

    def header(self, name: str, position: int) -> Any:
        """The value of a header field (standard name) for the message at a position; None when unset."""
        ...


# gc=False: nothing that a message refers to refers back to it, and the collector's look at each of a batch of messages
# costs as much as making them.
class Message(msgspec.Struct, eq=False, gc=False):
    """One message. Create it with `producer.create_message`, or read it from a consumer.

    Body, key and properties may be changed until it is sent. Fields the provider sets (`message_id`,
    `born_timestamp`, `born_host`, `store_timestamp`, `delivery_count`, `partition` and `offset` on receive) are None
    before that; a sender's own value is ignored, as the standard says.
    """

    record: Record
    destination: str
    origin: Origin | None = None
    position: int = 0
    """Place in its batch or delivery."""

    @property
    def version(self) -> str:
        """Version of the standard."""
        return VERSION

    @property
    def data(self) -> bytes:
        """The body."""
        return self.record.data

    @data.setter
    def data(self, value: bytes) -> None:
        if type(value) is not bytes:
            value = as_body(value)
        self.record.data = value

    @property
    def properties(self) -> KeyValue:
        """The user's own fields: a mapping from str to str, bytes, bool, int (64 bit) or float; checked when set."""
        found = self.record.properties
        if type(found) is not KeyValue:
            found = self.record.properties = KeyValue(found or {})
        return found

    @property
    def header(self) -> Header:
        """The required system fields, as a view."""
        return Header(self)

    @property
    def extension_header(self) -> ExtensionHeader:
        """The optional system fields, as a view."""
        return ExtensionHeader(self)

    @property
    def message_id(self) -> str | None:
        """The provider's id: unique, sorts by time; None until sent."""
        value: str | None = self.get_header("messageId")
        return value

    @property
    def message_key(self) -> str | None:
        """The message group: messages of one key keep their order."""
        return self.record.message_key

    @message_key.setter
    def message_key(self, value: str | None) -> None:
        self.record.message_key = check_header("messageKey", value)

    @property
    def delivery_count(self) -> int | None:
        """How many times it was delivered, this time included; None on the sending side."""
        value: int | None = self.get_header("deliveryCount")
        return value

    @property
    def partition(self) -> int | None:
        """The partition it lies in, or shall go to."""
        value: int | None = self.get_header("partition")
        return value

    @property
    def offset(self) -> int | None:
        """Its place in the partition; None until received."""
        value: int | None = self.get_header("offset")
        return value

    def get_header(self, name: str) -> Any:
        """A header field by its standard name (`correlationId`), None when unset.

        What the provider knows wins over what a sender wrote.
        """
        if self.origin is not None:
            value = self.origin.header(name, self.position)
            if value is not None:
                return value
        if name == "destination":
            return self.destination
        if name == "messageKey":
            return self.record.message_key
        headers = self.record.headers
        return headers.get(name) if headers else None

    def set_header(self, name: str, value: Any) -> None:
        """Set a header field by its standard name; None removes it.

        Raises OMSMessageFormatException (1400) naming the field for an unknown name, a wrong type or a value outside
        its range. A priority outside 1 to 10 and every value for a field that the provider sets (`PROVIDER_FIELDS`) is
        ignored, as the standard says.
        """
        if name == "destination":
            self.destination = check_header(name, value)
        elif name == "messageKey":
            self.message_key = value
        else:
            value = check_header(name, value)
            if name in PROVIDER_FIELDS:
                return
            headers = self.record.headers
            if value is not None:
                if headers is None:
                    headers = self.record.headers = {}
                headers[name] = value
            elif headers:
                headers.pop(name, None)
                self.record.headers = headers or None


def as_body(value: object) -> bytes:
    """A body as bytes; raises OMSMessageFormatException 1400 when it is not bytes-like."""
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise bad_format(
        "data",
        f"a body is bytes, not {type(value).__name__}",
        next_step="Encode it first, for example with str.encode()",
    )


def body_too_large(size: int, limit: int) -> OMSMessageFormatException:
    """The error for a body over the limit, both in bytes."""
    return OMSMessageFormatException(
        1413,
        f"the body has {size:,} bytes, the limit is {limit:,}",
        next_step="Send a reference to it instead",
        field="data",
    )


def partition_of_key(key: str, count: int) -> int:
    """Where messages of a key go among `count` partitions, whoever sends them: CRC-32C of its UTF-8."""
    return 0 if count == 1 else int(google_crc32c.value(key.encode())) % count
