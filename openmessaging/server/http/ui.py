"""The dashboard: files that were built into the package by `make dashboard`, handed out as they are.

They need no authentication, for they hold nothing: the page asks for credentials when the API does.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from openmessaging.server.http.problem import HttpError
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.table import Route

FOLDER = "dashboard"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = [
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
]
_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"
_MISSING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>OpenMessaging</title>
<h1>The dashboard is not built</h1>
<p>This is a source checkout, or a package that was made from one without it. Build it with Node.js 18 or newer:
<code>make dashboard</code>, then start the server again. The API under <code>/v1/</code> works without it.</p>
</html>
"""


class File(msgspec.Struct, frozen=True):
    """A file of the page."""

    data: bytes
    content_type: str
    etag: str
    cached: str


@cache
def pages() -> dict[str, File]:
    """The files by their path below /ui/; empty when they are not built. Read once."""
    folder = files("openmessaging.server") / FOLDER
    return dict(_walk(folder, "")) if folder.is_dir() else {}


def _walk(folder: Traversable, above: str) -> list[tuple[str, File]]:
    found: list[tuple[str, File]] = []
    for each in folder.iterdir():
        path = above + each.name
        if each.is_dir():
            found += _walk(each, f"{path}/")
        elif (kind := _TYPES.get(each.name.rpartition(".")[2])) is not None:
            data = each.read_bytes()
            # The names of assets hold a hash of what is in them.
            cached = _FOREVER if above else _ASK
            found.append((path, File(data, kind, f'"{hashlib.sha256(data).hexdigest()[:16]}"', cached)))
    return found


async def page(request: Request) -> Response:
    """GET /ui/{path...}"""
    known = pages()
    if not known:
        return Response(404, [("content-type", _TYPES["html"]), *_SAFE], _MISSING.encode())
    file = known.get(request.params["path"] or "index.html")
    if file is None:
        raise HttpError(404, 1400, "the dashboard has no such file", next_step="See /ui/")
    headers = [("etag", file.etag), ("cache-control", file.cached), *_SAFE]
    if request.headers.get("if-none-match") == file.etag:
        return Response(304, headers)
    return Response(200, [("content-type", file.content_type), *headers], file.data)


async def to_page(_: Request) -> Response:
    """GET /ui"""
    return Response(308, [("location", "ui/")])


ROUTES: list[Route] = [
    Route(method="GET", path="/ui", handler=to_page, summary="To the dashboard", anyone=True, hidden=True),
    Route(method="GET", path="/ui/{path...}", handler=page, summary="The dashboard", anyone=True, hidden=True),
]
