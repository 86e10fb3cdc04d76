"""What schemathesis is told: MessagePack, and that nobody waits for a minute. Loaded by its name, in its process."""

from __future__ import annotations

from typing import Any

import msgspec
import schemathesis


@schemathesis.hook
def map_body(_: Any, body: Any) -> Any:
    if isinstance(body, dict) and isinstance(body.get("wait"), float | int) and 0 <= body["wait"] <= 60:
        body["wait"] = 0
    return body


@schemathesis.hook
def map_query(_: Any, query: Any) -> Any:
    if isinstance(query, dict) and isinstance(query.get("timeout"), float | int) and 0 < query["timeout"] <= 60:
        query["timeout"] = 0.1
    return query


@schemathesis.deserializer("application/msgpack")
def read_msgpack(_: Any, response: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(msgspec.msgpack.decode(response.content)))
