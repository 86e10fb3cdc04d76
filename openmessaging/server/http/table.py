"""The routing table: one list of routes from which requests are dispatched and the OpenAPI document is made.

A module of routes has `ROUTES: list[Route]`, and is named in `app.py`. What a route declares of its query and bodies is
checked before its handler runs, so that the document cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import msgspec

from openmessaging.model.errors import error
from openmessaging.server.http.coding import UnsupportedMedia
from openmessaging.server.http.problem import HttpError
from openmessaging.server.http.request import JSON, MSGPACK, Request, Response, no_body, preferred, respond

if TYPE_CHECKING:
    from openmessaging.server.http.websocket import WebSocket

Query = TypeVar("Query", bound=msgspec.Struct)
Handler = Callable[[Request], Awaitable[Any]]
"""Answers a request: with a `Response`, or with a value that is sent as the route's `answer`, or None (204)."""
SocketHandler = Callable[["Request", "WebSocket"], Awaitable[None]]
"""Holds a conversation over a WebSocket, which ends when it returns."""
MAX_JSON_BYTES = 1 << 20
"""Largest body of a request that a route declares as a type, unless it says more."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path.

    Paths that begin with `/v1/` are part of the OpenAPI document, unless `hidden`.
    """

    method: str
    """`GET`, `POST`, …; a GET answers HEAD too."""
    path: str
    """Segments; `{name}` stands for any one segment, and `{name...}` at the end for all that follow."""
    handler: Handler
    summary: str
    description: str = ""
    tag: str = ""
    query: type[msgspec.Struct] | None = None
    """What the query may hold; fields are read from text."""
    input: Any = None
    """Type of the body, read as JSON or MessagePack; None: the handler reads the body itself, if there is any."""
    input_required: bool = True
    """Whether a body of that type must be there; without one, `input` is None."""
    media: dict[str, Any] = {}
    """Further media types that a handler reads itself, with their types: bytes for what is no JSON, a tuple for one of
    several."""
    answer: Any = None
    """Type of the body of the answer; a tuple: one of several."""
    answer_media: dict[str, Any] = {}
    """Further media types of the answer, with their types."""
    status: int = 200
    errors: tuple[int, ...] = ()
    """The standard's codes that the handler may raise, beside those any request may meet."""
    limit: int = MAX_JSON_BYTES
    """Largest body, bytes."""
    request_headers: dict[str, str] = {}
    """Headers that the handler looks at, with what they mean."""
    answer_headers: dict[str, str] = {}
    anyone: bool = False
    """Whether it answers without authentication."""
    hidden: bool = False


class SocketRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A path on which WebSockets are taken."""

    path: str
    handler: SocketHandler
    summary: str
    subprotocols: tuple[str, ...] = ()
    """Those it speaks, the preferred one first; a client that names none of them is taken without one."""
    max_message_bytes: int = 32 << 20
    anyone: bool = False


class _Node:
    __slots__ = ("children", "name", "rest", "routes", "socket", "wild")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.wild: _Node | None = None
        self.rest: _Node | None = None
        self.name = ""
        self.routes: dict[str, Route] = {}
        self.socket: SocketRoute | None = None


class Table:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route | SocketRoute]) -> None:
        self.routes: list[Route | SocketRoute] = []
        self._root = _Node()
        for route in routes:
            self.add(route)

    def add(self, route: Route | SocketRoute) -> None:
        """Add a route. Raises ValueError for one that is there."""
        node = self._root
        for segment in route.path.split("/")[1:]:
            node = _step(node, segment)
        if isinstance(route, SocketRoute):
            if node.socket is not None:
                raise ValueError(f"{route.path} is there")
            node.socket = route
        else:
            if route.method in node.routes:
                raise ValueError(f"{route.method} {route.path} is there")
            node.routes[route.method] = route
        self.routes.append(route)

    def _find(self, path: str, params: dict[str, str]) -> _Node:
        """The node of a path, which fills the parameters. Raises HttpError 404."""
        segments = path.split("/")[1:]
        node: _Node | None = self._root
        for index, segment in enumerate(segments):
            assert node is not None
            following = node.children.get(segment)
            if following is None and segment and node.wild is not None:
                following = node.wild
                params[following.name] = _decoded(segment)
            if following is None:
                following = node.rest
                if following is not None:
                    params[following.name] = _decoded("/".join(segments[index:]))
                node = following
                break
            node = following
        if node is None or not (node.routes or node.socket):
            raise HttpError(404, 1400, f"there is nothing at {path:.200}", next_step="See /v1/openapi.json")
        return node

    def socket(self, request: Request) -> SocketRoute | None:
        """The route of a WebSocket, None where plain requests are taken. Raises HttpError 404."""
        return self._find(request.path, request.params).socket

    def route(self, request: Request) -> Route | Response:
        """The route of a request, or the answer to OPTIONS. Raises HttpError 404 or 405."""
        node = self._find(request.path, request.params)
        method = request.method
        route = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
        if route is not None:
            return route
        allowed = ", ".join(sorted({*node.routes, "OPTIONS", *(("HEAD",) if "GET" in node.routes else ())}))
        if method == "OPTIONS":
            return Response(204, [("allow", allowed)])
        raise HttpError(
            405, 1400, f"{method:.20} is not for {request.path:.200}", next_step=f"It takes {allowed}",
            headers=[("allow", allowed)],
        )  # fmt: skip


async def call(route: Route, request: Request) -> Response:
    """Read what a route declares, call its handler, write what it gives."""
    if route.answer is not None and not route.answer_media and preferred(request.headers.get("accept", "")) is None:
        raise HttpError(406, 1400, f"the answer is {JSON} or {MSGPACK}", next_step="Accept one", field="accept")
    if route.query is not None:
        request.query = converted(request.query_fields(), route.query)
    elif request.query_string:
        name = next(iter(request.query_fields()), "query")
        raise error(1418, f"there is no parameter {name:.80}", next_step="See /v1/openapi.json", field=name)
    if route.input is not None and request.content_type not in route.media:
        request.input = await _input(route, request)
    value = await route.handler(request)
    if isinstance(value, Response):
        return value
    if value is None:
        return Response(204)
    return respond(request, value, route.status)


async def _input(route: Route, request: Request) -> Any:
    data = await request.read_body(route.limit)
    if not data and not route.input_required:
        return None
    kind = request.content_type
    try:
        if kind in (JSON, ""):
            return msgspec.json.decode(data, type=route.input)
        if kind == MSGPACK:
            return msgspec.msgpack.decode(data, type=route.input)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as cause:
        raise no_body(str(cause)) from cause
    known = ", ".join([JSON, MSGPACK, *route.media])
    raise UnsupportedMedia(1400, f"content-type {kind!r:.80}", next_step=f"Send {known}", field="content-type")


def converted(fields: dict[str, str], wanted: type[Query]) -> Query:
    """The fields of a query as a type. Raises OMSRuntimeException 1418."""
    # `null` is a text like any other in a query, where `strict=False` would make None of it.
    nulls = {name: fields.pop(name) for name in list(fields) if fields[name].lower() == "null"}
    try:
        query = msgspec.convert(fields, wanted, strict=False)
        for field in msgspec.structs.fields(wanted) if nulls else ():
            if (text := nulls.pop(field.encode_name, None)) is not None:
                setattr(query, field.name, msgspec.convert(text, field.type))
        if nulls:
            raise msgspec.ValidationError(f"Object contains unknown field `{next(iter(nulls)):.80}`")
        return query
    except msgspec.ValidationError as cause:
        raise error(1418, f"the query: {cause}", next_step="See /v1/openapi.json", field="query") from cause


def _decoded(segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeError as cause:
        raise error(1418, f"the path holds what is not UTF-8: {segment:.80}", field="path") from cause


def _step(node: _Node, segment: str) -> _Node:
    if not segment.startswith("{"):
        return node.children.setdefault(segment, _Node())
    rest = segment.endswith("...}")
    name = segment[1:-4] if rest else segment[1:-1]
    following = node.rest if rest else node.wild
    if following is None:
        following = _Node()
        following.name = name
        if rest:
            node.rest = following
        else:
            node.wild = following
    if following.name != name:
        raise ValueError(f"{{{name}}} is called {{{following.name}}} in another route")
    return following


def tagged(tag: str, routes: Sequence[Route]) -> list[Route]:
    """Routes under a heading of the document."""
    return [msgspec.structs.replace(route, tag=tag) for route in routes]
