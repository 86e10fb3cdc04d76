"""The OpenAPI 3.1 document, made from the routing table; and the route that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from openmessaging.model.errors import CODES
from openmessaging.server.http.problem import PROBLEM, STATUS, Problem
from openmessaging.server.http.request import JSON, MSGPACK, Request, Response
from openmessaging.server.http.table import Route

VERSION = "1"
_PREFIX = "/v1/"
_REFS = "#/components/schemas/{name}"
_COMMON = (400, 401, 403, 408, 413, 431, 500, 503)
"""What any request may meet."""
_PHRASES = {
    200: "Done",
    201: "Made",
    202: "Begun",
    204: "Done",
    400: "The request is wrong: its detail says how",
    401: "Who asks is not known",
    403: "It is not allowed",
    404: "It is not there",
    406: "The answer is in no form that is accepted",
    408: "The request did not come in time",
    409: "It is there already, or too late",
    412: "It was changed meanwhile",
    413: "The body is too large",
    415: "A content type or coding that is not taken",
    431: "Headers or attributes are too large",
    500: "The server failed",
    502: "A service answered with an error",
    503: "It cannot be done now: try again",
    504: "No answer came in time; it may have taken effect",
}
_ABOUT = (
    "Durable messaging over HTTP. Errors are problem details (RFC 9457) with the code of the OpenMessaging standard. "
    "Bodies are JSON, or MessagePack where both sides say so, and may be compressed with gzip or zstd. Durations are "
    "seconds, times are milliseconds since the epoch."
)


def document(routes: Iterable[Any]) -> dict[str, Any]:
    """The document of all routes under `/v1/`, those that are hidden left out."""
    shown = [each for each in routes if isinstance(each, Route) and each.path.startswith(_PREFIX) and not each.hidden]
    schemas = _Schemas(shown)
    paths: dict[str, Any] = {}
    for route in sorted(shown, key=lambda each: each.path):
        paths.setdefault(route.path.replace("...}", "}"), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpenMessaging",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"basic": []}, {"bearer": []}],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in shown if route.tag)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {str(status): _failure(_PHRASES[status], schemas) for status in (*_COMMON, 406, 415)},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def document_text() -> str:
    """The document of the server's own routes, as `spec/openapi.json` has it."""
    from openmessaging.server.http.routes import all_routes

    return msgspec.json.format(msgspec.json.encode(document(all_routes())), indent=1).decode() + "\n"


async def show(request: Request) -> Response:
    """GET /v1/openapi.json"""
    return Response(200, [("content-type", JSON)], msgspec.json.encode(document(request.app.table.routes)))


class _Schemas:
    """Schemas of types, by references to one set of components."""

    def __init__(self, routes: list[Route]) -> None:
        types: list[Any] = [Problem]
        for route in routes:
            for each in (route.input, route.answer, *route.media.values(), *route.answer_media.values()):
                types += [one for one in (each if isinstance(each, tuple) else (each,)) if one not in (None, bytes)]
            if route.query is not None:
                types.append(route.query)
        unique = list({repr(each): each for each in types}.values())
        found, self.components = msgspec.json.schema_components(unique, ref_template=_REFS)
        self._found = {repr(each): schema for each, schema in zip(unique, found, strict=True)}
        self._queries = {
            route.query.__name__: self.components.pop(route.query.__name__, None) or self._query(route.query)
            for route in routes
            if route.query is not None
        }

    def _query(self, wanted: type[msgspec.Struct]) -> dict[str, Any]:
        (_,), components = msgspec.json.schema_components([wanted])
        found: dict[str, Any] = components[wanted.__name__]
        return found

    def of(self, wanted: Any) -> dict[str, Any]:
        """The schema of a type, of one of several, or of bytes."""
        if isinstance(wanted, tuple):
            return {"anyOf": [self.of(each) for each in wanted]}
        return {} if wanted is bytes else self._found[repr(wanted)]

    def query(self, wanted: type[msgspec.Struct]) -> dict[str, Any]:
        """The schema of a query."""
        return self._queries[wanted.__name__]


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    parameters = [
        {"name": name.removesuffix("..."), "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{([^}]+)\}", route.path)
    ]
    if route.query is not None:
        schema = schemas.query(route.query)
        for name, field in schema.get("properties", {}).items():
            parameters.append(_query_parameter(name, field, name in schema.get("required", ())))
    for name, about in route.request_headers.items():
        parameters.append({"name": name, "in": "header", "description": about, "schema": {"type": "string"}})
    operation: dict[str, Any] = {
        "operationId": _name_of(route),
        "summary": route.summary,
        "responses": _responses(route, schemas),
    }
    if route.description:
        operation["description"] = route.description
    if route.tag:
        operation["tags"] = [route.tag]
    if parameters:
        operation["parameters"] = parameters
    if route.input is not None or route.media:
        types = {JSON: route.input, MSGPACK: route.input} if route.input is not None else {}
        content = {kind: {"schema": schemas.of(wanted)} for kind, wanted in {**types, **route.media}.items()}
        operation["requestBody"] = {"required": route.input is not None and route.input_required, "content": content}
    return operation


def _query_parameter(name: str, field: dict[str, Any], required: bool) -> dict[str, Any]:
    """A field as a parameter: no null in a query, and what is said of it beside its schema."""
    schema = dict(field)
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(options) == 1:
        schema = {**options[0]}
    if schema.get("default", 0) is None:
        del schema["default"]
    about = schema.pop("description", None) or field.get("description")
    parameter = {"name": name, "in": "query", "required": required, "schema": schema}
    return {**parameter, "description": about} if about else parameter


def _responses(route: Route, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    done: dict[str, Any] = {"description": _PHRASES[route.status]}
    if route.answer is not None or route.answer_media:
        types = {JSON: route.answer, MSGPACK: route.answer} if route.answer is not None else {}
        done["content"] = {
            kind: {"schema": schemas.of(wanted)} for kind, wanted in {**types, **route.answer_media}.items()
        }
    if route.answer_headers:
        done["headers"] = {
            name: {"description": about, "schema": {"type": "string"}} for name, about in route.answer_headers.items()
        }
    responses[str(route.status)] = done
    reasons: dict[int, list[int]] = {status: [] for status in _COMMON}
    if route.input is not None or route.media:
        reasons[415] = []
    if route.answer is not None and not route.answer_media:
        reasons[406] = []
    for code in route.errors:
        reasons.setdefault(STATUS.get(code, code), []).append(code)
    for status in sorted(reasons):
        codes = [f"{code} {CODES[code]}" for code in reasons[status] if code in CODES]
        if codes or status not in (*_COMMON, 406, 415):
            responses[str(status)] = _failure(", ".join(codes) or _PHRASES[status], schemas)
        else:
            responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return responses


def _failure(about: str, schemas: _Schemas) -> dict[str, Any]:
    return {"description": about, "content": {PROBLEM: {"schema": schemas.of(Problem)}}}


def _name_of(route: Route) -> str:
    words = [word for word in re.split(r"[/{}.]+", route.path.removeprefix(_PREFIX)) if word]
    return "_".join([route.method.lower(), *words])


ROUTES: list[Route] = [
    Route(
        method="GET", path="/v1/openapi.json", handler=show, summary="This document", anyone=True, hidden=True
    )
]  # fmt: skip
