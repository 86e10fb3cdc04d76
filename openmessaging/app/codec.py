"""Codecs: how the values that a program works with become bodies, and back.

`bytes` and `str` are never given to a codec: a body of bytes is those bytes, a text is its UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, get_args, get_origin

import msgspec

Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]


class Codec(Protocol):
    """Makes bodies of values. One object serves a whole program, so it must not keep state."""

    content_type: str
    """The media type of its bodies."""

    def encode(self, value: Any) -> bytes:
        """The body of a value; raises TypeError for one it cannot write."""
        ...

    def decoder(self, kind: Any) -> Decode:
        """A function from a body to a value of a type; it raises, naming the field, for a body that is none.

        Asked for once per listener. Raises TypeError for a type it cannot read.
        """
        ...


class JsonCodec:
    """JSON: structs of msgspec, dataclasses, TypedDicts, built-in types, and pydantic models where it is installed."""

    content_type = "application/json"

    def __init__(self) -> None:
        self.encode: Encode = msgspec.json.Encoder(enc_hook=_to_builtins).encode

    def decoder(self, kind: Any) -> Decode:
        """See `Codec.decoder`."""
        if is_pydantic(kind):
            from pydantic import TypeAdapter

            return TypeAdapter(kind).validate_json
        return msgspec.json.Decoder(kind).decode


class MessagePackCodec:
    """MessagePack, for the same types as JSON."""

    content_type = "application/msgpack"

    def __init__(self) -> None:
        self.encode: Encode = msgspec.msgpack.Encoder(enc_hook=_to_builtins).encode

    def decoder(self, kind: Any) -> Decode:
        """See `Codec.decoder`."""
        if is_pydantic(kind):
            from pydantic import TypeAdapter

            validate = TypeAdapter(kind).validate_python
            read = msgspec.msgpack.Decoder().decode
            return lambda body: validate(read(body))
        return msgspec.msgpack.Decoder(kind).decode


def decoder(codec: Codec, kind: Any) -> Decode:
    """How bodies become values of a type: bytes as they are, text from UTF-8, all else by the codec."""
    if kind is bytes:
        return bytes
    if kind is str:
        return bytes.decode
    return codec.decoder(kind)


def encode(codec: Codec, value: Any) -> bytes:
    """The body of a value: the inverse of `decoder`."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else codec.encode(value)


def is_pydantic(kind: Any) -> bool:
    """Whether a type is a pydantic model, or contains one in its arguments."""
    if get_origin(kind) is not None:
        return any(map(is_pydantic, get_args(kind)))
    return isinstance(kind, type) and hasattr(kind, "__pydantic_core_schema__")


def _to_builtins(value: Any) -> Any:
    if is_pydantic(type(value)):
        return value.model_dump(mode="json") if hasattr(value, "model_dump") else vars(value)
    raise TypeError(f"a {type(value).__name__} cannot be written")
