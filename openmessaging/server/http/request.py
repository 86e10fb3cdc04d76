"""A request as handlers see it, and its answer, whatever version of HTTP they travel by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from openmessaging.model.errors import OMSRuntimeException, bad_format, error
from openmessaging.server.http.coding import decoded

if TYPE_CHECKING:
    from openmessaging.server.http.app import Application
    from openmessaging.server.http.attended import Attended
    from openmessaging.server.served import Driver

JSON = "application/json"
MSGPACK = "application/msgpack"
MAX_QUERY_FIELDS = 100


class Body:
    """The body of a request as it comes in. Fed by a connection, read by one handler.

    Args:
        resume: called when more may come: what was there has been read, or somebody waits.
    """

    __slots__ = ("_chunks", "_complete", "_failure", "_more", "_resume", "limit", "size", "started")

    def __init__(self, limit: int, resume: Callable[[], object]) -> None:
        self.limit = limit
        self.size = 0
        """Bytes so far."""
        self.started = False
        """Whether somebody reads it."""
        self._chunks: list[bytes] = []
        self._complete = False
        self._failure: OMSRuntimeException | None = None
        self._more: asyncio.Future[None] | None = None
        self._resume = resume

    @property
    def complete(self) -> bool:
        """Whether all of it has come."""
        return self._complete

    def feed(self, data: bytes) -> None:
        """More of it has come."""
        self.size += len(data)
        if self.size > self.limit:
            self.fail(too_large(self.limit))
        elif self._failure is None:
            self._chunks.append(data)
            self._wake()

    def end(self) -> None:
        """All of it has come."""
        self._complete = True
        self._wake()

    def fail(self, failure: OMSRuntimeException) -> None:
        """It will not be complete."""
        self._chunks.clear()
        self._failure = failure
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def read(self, limit: int) -> bytes:
        """All of it. Raises OMSMessageFormatException 1413 when it has more than `limit` bytes; OMSTimeOutException
        1410 when it does not come."""
        if limit < self.limit:
            self.limit = limit
            if self.size > limit:
                self.fail(too_large(limit))
        self.started = True
        while self._failure is None and not self._complete:
            self._resume()
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        if self._failure is not None:
            raise self._failure
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


@lru_cache(maxsize=1024)
def preferred(accept: str) -> str | None:
    """JSON or MessagePack, by a request's Accept; None when neither is acceptable."""
    if not accept:
        return JSON
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0.0
    general = weights.get("application/*", weights.get("*/*", 0.0))
    json, binary = weights.get(JSON, general), weights.get(MSGPACK, 0.0)
    if max(json, binary) <= 0:
        return None
    return MSGPACK if binary > json or (binary == json and JSON not in weights) else JSON


class Request:
    """One request.

    Handlers get it from the routing table, which sets `params`, `query` and `input` as the route declares them.
    """

    __slots__ = (
        "app",
        "body",
        "client",
        "driver",
        "headers",
        "identity",
        "input",
        "method",
        "params",
        "path",
        "peer",
        "query",
        "query_string",
        "scheme",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: Body,
        client: str,
        scheme: str,
        peer: Mapping[str, Any] | None = None,
    ) -> None:
        self.method = method
        """In capitals."""
        path, _, self.query_string = target.partition("?")
        self.path = path
        """As it was sent, percent-encoded."""
        self.headers = headers
        """By names in lower case; several of one name are joined by a comma."""
        self.body = body
        self.client = client
        """Address of the client, empty for a Unix socket."""
        self.scheme = scheme
        """`http` or `https`."""
        self.peer = peer
        """The client's certificate, as the ssl module gives it."""
        self.params: dict[str, str] = {}
        """What stood in the path for each `{name}` of the route, decoded."""
        self.query: Any = None
        """The query as the type that the route declares."""
        self.input: Any = None
        """The body as the type that the route declares."""
        self.app: Application
        self.driver: Driver
        """Does what this client may do, and refuses the rest."""
        self.identity: Any = None
        """Who asks."""

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def accepts(self, media_type: str) -> bool:
        """Whether the client names a media type as acceptable, other than by a wildcard."""
        return any(
            part.partition(";")[0].strip().lower() == media_type for part in self.headers.get("accept", "").split(",")
        )

    @property
    def binary(self) -> bool:
        """Whether the answer is to be MessagePack."""
        return preferred(self.headers.get("accept", "")) == MSGPACK

    def query_fields(self) -> dict[str, str]:
        """The fields of the query, decoded. Raises OMSRuntimeException 1418 for one that is given twice."""
        fields: dict[str, str] = {}
        if self.query_string:
            try:
                pairs = parse_qsl(
                    self.query_string, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
                )
            except ValueError as cause:
                raise error(1418, f"the query cannot be read: {cause}", field="query") from cause
            for name, value in pairs:
                if name in fields:
                    raise error(1418, f"{name} is given twice", next_step="Give it once", field=name)
                fields[name] = value
        return fields

    async def read_body(self, limit: int | None = None) -> bytes:
        """The body, decompressed as its Content-Encoding says, at most `limit` bytes before and after.

        Raises OMSMessageFormatException 1413 over the limit; OMSRuntimeException 1418 for damaged bytes, 1410;
        UnsupportedMedia for an unknown encoding.
        """
        limit = self.app.limits.max_body_bytes if limit is None else limit
        data = await self.body.read(limit)
        encoding = self.headers.get("content-encoding")
        if not encoding:
            return data
        return await asyncio.to_thread(decoded, encoding, data, limit)


class Response(msgspec.Struct):
    """An answer. `body` is bytes, or pieces as they come (server-sent events, large listings)."""

    status: int = 200
    headers: list[tuple[str, str]] = []
    """Names in lower case. Length and date are added."""
    body: bytes | AsyncGenerator[bytes, None] | Attended = b""
    undelivered: Callable[[], object] | None = None
    """Called when the client is gone before the answer could be sent."""


def respond(request: Request, value: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    """An answer in JSON, or in MessagePack for who accepts it."""
    if request.binary:
        return Response(status, [("content-type", MSGPACK), *(headers or ())], msgspec.msgpack.encode(value))
    return Response(status, [("content-type", JSON), *(headers or ())], msgspec.json.encode(value))


def too_large(limit: int) -> OMSRuntimeException:
    """The error for a body over a limit in bytes."""
    step = "Send less at once"
    return error(1413, f"the body of the request has more than {limit:,} bytes", next_step=step, field="body")


def no_body(reason: str) -> OMSRuntimeException:
    """The error for a body that cannot be read as what it is said to be."""
    return bad_format("body", reason, next_step="See /v1/openapi.json")
