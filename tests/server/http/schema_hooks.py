"""What schemathesis is told: how to read MessagePack. Loaded by its name, in its process."""

from __future__ import annotations

from typing import Any

import msgspec
import schemathesis


@schemathesis.deserializer("application/msgpack")
def read_msgpack(_: Any, response: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(msgspec.msgpack.decode(response.content)))
