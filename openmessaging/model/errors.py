"""The exceptions and codes of the standard.

    OMSRuntimeException                 root; `code` is always one of the table below
    ├── OMSSecurityException            no authority (1401, 1403)
    ├── OMSMessageFormatException       a message or an attribute that cannot be accepted (1402, 1411-1413, 1400)
    ├── OMSTimeOutException             no answer in time (1410, 1504)
    ├── OMSDestinationException         queue or namespace missing or already there (1404-1407)
    ├── OMSTransactionException         a transaction used against its state (1400)
    └── OMSUnsupportException           optional feature that this driver does not provide (1101, 1400)

Source: runtime interface 1.0.0, "exceptions"; code table of the HTTP binding. The class per code is this project's.
"""

from __future__ import annotations

from typing import Self

CODES: dict[int, str] = {
    1101: "unsupported version",
    1200: "success",
    1400: "bad request",
    1401: "unauthorized",
    1402: "message body required",
    1403: "forbidden",
    1404: "destination not found",
    1405: "namespace not found",
    1406: "destination already exists",
    1407: "namespace already exists",
    1408: "consumer id already exists",
    1409: "producer id already exists",
    1410: "request timeout",
    1411: "message attributes too large",
    1412: "message header too large",
    1413: "message body too large",
    1414: "no new message found",
    1415: "maximum of topics reached",
    1416: "maximum of queues reached",
    1417: "maximum of namespaces reached",
    1418: "bad parameter",
    1500: "server error",
    1501: "storage service error",
    1502: "storage service busy",
    1503: "service not available",
    1504: "flush to disk timed out",
    10000: "cannot build an access point",
    10001: "access point URL illegal",
    10002: "implementation version illegal",
    10003: "implementation version not compatible with the specification's",
}
"""Every code of the standard with its meaning."""

RETRYABLE = frozenset({1410, 1502, 1503, 1504})
"""Codes after which the same call may succeed later without a change."""

INDEFINITE = frozenset({1410, 1504})
"""Codes after which the call may have taken effect."""


class OMSRuntimeException(Exception):
    """Root of all errors of this library.

    Args:
        code: one of `CODES`.
        reason: what was wrong, with the value or the name.
        next_step: what to do about it, a short sentence.
        field: the header, property or parameter that was wrong, if one was.
    """

    def __init__(self, code: int, reason: str, *, next_step: str = "", field: str | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.next_step = next_step
        self.field = field

    def __str__(self) -> str:
        text = f"{self.code} {CODES.get(self.code, 'unknown code')}: {self.reason}"
        return f"{text}. {self.next_step}" if self.next_step else text

    def located(self, place: str) -> Self:
        """The same error, with the place where it was found in front of its reason."""
        return type(self)(self.code, f"{place}: {self.reason}", next_step=self.next_step, field=self.field)

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.code in RETRYABLE

    @property
    def indefinite(self) -> bool:
        """Whether the call may have taken effect although it failed."""
        return self.code in INDEFINITE


class OMSSecurityException(OMSRuntimeException):
    """No authority for the call."""


class OMSMessageFormatException(OMSRuntimeException):
    """A message, header or property that the standard or this provider does not accept; `field` names it."""


class OMSTimeOutException(OMSRuntimeException):
    """No answer came in time."""


class OMSDestinationException(OMSRuntimeException):
    """A queue or namespace is missing, or is already there."""


class OMSTransactionException(OMSRuntimeException):
    """A transaction was used against its state."""


class OMSUnsupportException(OMSRuntimeException):
    """An optional method, header or property that this driver does not provide."""


_CLASSES: dict[int, type[OMSRuntimeException]] = {
    1101: OMSUnsupportException,
    1401: OMSSecurityException,
    1402: OMSMessageFormatException,
    1403: OMSSecurityException,
    1404: OMSDestinationException,
    1405: OMSDestinationException,
    1406: OMSDestinationException,
    1407: OMSDestinationException,
    1410: OMSTimeOutException,
    1411: OMSMessageFormatException,
    1412: OMSMessageFormatException,
    1413: OMSMessageFormatException,
    1504: OMSTimeOutException,
}


def error(code: int, reason: str, *, next_step: str = "", field: str | None = None) -> OMSRuntimeException:
    """The exception of the class that belongs to a code."""
    return _CLASSES.get(code, OMSRuntimeException)(code, reason, next_step=next_step, field=field)


def bad_format(field: str, reason: str, *, next_step: str = "") -> OMSMessageFormatException:
    """A format error (1400) that names the field."""
    return OMSMessageFormatException(1400, f"{field}: {reason}", next_step=next_step, field=field)


def unsupported(feature: str, *, next_step: str = "") -> OMSUnsupportException:
    """An unsupported optional feature (1400, the class tells it apart)."""
    return OMSUnsupportException(1400, f"{feature} is not supported here", next_step=next_step, field=feature)


def transaction_error(reason: str, *, next_step: str = "") -> OMSTransactionException:
    """A transaction that is used against its state (1400)."""
    return OMSTransactionException(1400, reason, next_step=next_step)
