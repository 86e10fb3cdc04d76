"""What an error looks like on standard error, and the exit code it gives."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from openmessaging.model.errors import CODES, OMSRuntimeException

FAILED = 1
USAGE = 2
NOTHING = 3
"""Exit codes, see `oms --help`."""


def report(failure: Exception, as_json: bool) -> int:
    """Print an error; the exit code."""
    if isinstance(failure, OMSRuntimeException):
        _print(as_json, f"error {failure}", document(failure))
        return FAILED
    if isinstance(failure, click.ClickException):
        if as_json:
            step = "See `oms --help`"
            if isinstance(failure, click.UsageError) and failure.ctx is not None:
                step = f"See `{failure.ctx.command_path} --help`"
            _print(True, "", _document(1418, failure.format_message(), step))
        else:
            failure.show()
        return failure.exit_code
    reason = f"unexpected {type(failure).__name__}: {failure}"
    step = "Run it again with OMS_DEBUG=1 to see the traceback"
    _print(as_json, f"error 1500 {CODES[1500]}: {reason}. {step}", _document(1500, reason, step))
    return FAILED


def document(failure: OMSRuntimeException) -> dict[str, Any]:
    """An error as a JSON document."""
    return _document(failure.code, failure.reason, failure.next_step, failure.field)


def _document(code: int, reason: str, next_step: str, field: str | None = None) -> dict[str, Any]:
    meaning = CODES.get(code, "unknown code")
    return {"error": {"code": code, "meaning": meaning, "reason": reason, "next_step": next_step, "field": field}}


def _print(as_json: bool, text: str, parts: dict[str, Any]) -> None:
    print(json.dumps(parts, ensure_ascii=False) if as_json else text, file=sys.stderr)
