"""How the kit reaches an implementation under test: operations with arguments, JSON values both ways.

`spec/conformance.md` lists the operations. `Refusal` is an error that the implementation raised, as it says it.
"""

from __future__ import annotations

from typing import Any, Protocol

from openmessaging.model.errors import OMSRuntimeException

UNSUPPORTED = "OMSUnsupportException"


class Refusal(Exception):
    """What an implementation raised: class and code of the standard, and its text."""

    def __init__(self, kind: str, code: int | None, reason: str, field: str | None = None) -> None:
        super().__init__(f"{kind} {code}: {reason}")
        self.kind = kind
        self.code = code
        self.reason = reason
        self.field = field

    @property
    def unsupported(self) -> bool:
        """Whether it says that an optional feature is not provided."""
        return self.kind == UNSUPPORTED


class Gone(Exception):
    """The implementation under test ended, or does not speak the protocol."""


class Implementation(Protocol):
    """An implementation under test."""

    async def perform(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Do one operation and return its result. Cancelling cancels the operation.

        Raises Refusal for what the implementation raises, Gone when it is there no more.
        """
        ...

    async def close(self) -> None:
        """Let everything go."""
        ...


def to_error(failure: BaseException) -> dict[str, Any]:
    """An error as the protocol writes it."""
    if isinstance(failure, OMSRuntimeException):
        # Subclasses of the library count as the standard's class that they are.
        return {
            "class": type(failure).__name__,
            "code": failure.code,
            "reason": failure.reason,
            "field": failure.field,
            "nextStep": failure.next_step,
        }
    return {"class": type(failure).__name__, "code": None, "reason": str(failure)}


def from_error(error: dict[str, Any]) -> Refusal:
    """The refusal that the protocol's form stands for."""
    return Refusal(str(error.get("class")), error.get("code"), str(error.get("reason", "")), error.get("field"))
