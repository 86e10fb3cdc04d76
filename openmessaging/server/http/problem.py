"""Errors as answers: RFC 9457 problem details with the standard's code.

Source: HTTP binding, error codes; the HTTP status of each code is this project's.
"""

from __future__ import annotations

import logging

import msgspec

from openmessaging.model.errors import CODES, OMSRuntimeException, error
from openmessaging.server.http.coding import UnsupportedMedia
from openmessaging.server.http.request import Response

logger = logging.getLogger("openmessaging.server.http")

PROBLEM = "application/problem+json"
REFERENCE = "http://openmessaging.cloud/internal/code#"
STATUS: dict[int, int] = {
    1101: 400, 1200: 200, 1400: 400, 1401: 401, 1402: 400, 1403: 403, 1404: 404, 1405: 404, 1406: 409, 1407: 409,
    1408: 409, 1409: 409, 1410: 408, 1411: 431, 1412: 431, 1413: 413, 1414: 204, 1415: 409, 1416: 409, 1417: 409,
    1418: 400, 1500: 500, 1501: 500, 1502: 503, 1503: 503, 1504: 504,
}  # fmt: skip
"""HTTP status of each code of the standard."""
_BUSY_SECONDS = 1


class Problem(msgspec.Struct, rename="camel", omit_defaults=True):
    """What went wrong."""

    type: str
    """Names the kind of error: a page of the standard, by its code."""
    title: str
    status: int
    detail: str
    """What was wrong, with the value or the name."""
    code: int
    """The standard's code."""
    class_name: str = msgspec.field(name="class")
    """The exception that the code stands for."""
    retryable: bool = msgspec.field(default=False)
    """Whether the same request may succeed later."""
    indefinite: bool = False
    """Whether the request may have taken effect all the same."""
    next_step: str | None = None
    field: str | None = None
    """The header, property or parameter that was wrong."""
    message_id: str | None = None


class HttpError(OMSRuntimeException):
    """An error that has an HTTP status of its own."""

    def __init__(
        self,
        status: int,
        code: int,
        reason: str,
        *,
        next_step: str = "",
        field: str | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(code, reason, next_step=next_step, field=field)
        self.status = status
        self.headers = headers or []


def problem(failure: BaseException) -> Response:
    """The answer for an error; one that is not of this library is logged, and says nothing about the inside."""
    if not isinstance(failure, OMSRuntimeException):
        logger.error("a request failed", exc_info=failure)
        failure = error(1500, "the server failed", next_step="Its log says why")
    status = status_of(failure)
    headers = list(failure.headers) if isinstance(failure, HttpError) else []
    if status == 401 and not any(name == "www-authenticate" for name, _ in headers):
        headers.append(("www-authenticate", 'Bearer realm="openmessaging", Basic realm="openmessaging"'))
    if status == 503:
        headers.append(("retry-after", str(_BUSY_SECONDS)))
    return Response(status, [("content-type", PROBLEM), *headers], msgspec.json.encode(problem_of(failure)))


def problem_of(failure: OMSRuntimeException) -> Problem:
    """What is told of an error."""
    return Problem(
        f"{REFERENCE}{failure.code}",
        CODES.get(failure.code, "error"),
        status_of(failure),
        failure.reason,
        failure.code,
        _class_of(failure),
        failure.retryable,
        failure.indefinite,
        failure.next_step or None,
        failure.field,
    )


def status_of(failure: OMSRuntimeException) -> int:
    """The HTTP status for an error."""
    if isinstance(failure, HttpError):
        return failure.status
    if isinstance(failure, UnsupportedMedia):
        return 415
    return STATUS.get(failure.code, 500)


def _class_of(failure: OMSRuntimeException) -> str:
    kinds = (each for each in type(failure).__mro__ if each.__module__ == OMSRuntimeException.__module__)
    return next(kinds).__name__
