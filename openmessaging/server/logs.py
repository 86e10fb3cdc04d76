"""What a server logs, as lines for people or as JSON, one object a line."""

from __future__ import annotations

import json
import logging
import time
from typing import Literal, TextIO

import msgspec

_TIME = "%Y-%m-%dT%H:%M:%S"
_LINE = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"


class LogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written to standard error."""

    format: Literal["text", "json"] = "text"
    """`json`: an object per line, with `time`, `level`, `logger`, `message`, and `exception` where there is one."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        shown = {
            "time": f"{self.formatTime(record, _TIME)}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        shown |= getattr(record, "fields", {})
        return json.dumps(shown, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A record as a line for people. What a client had a say in cannot look like another line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overridden
        """The line without the exception."""
        if not record.message.isprintable():
            record.message = "".join(each if each.isprintable() else repr(each)[1:-1] for each in record.message)
        return super().formatMessage(record)


def configure(section: LogSection, stream: TextIO | None = None) -> None:
    """Send what this package logs to a stream (standard error when None), and nowhere else."""
    handler = logging.StreamHandler(stream)
    formatter = JsonFormatter() if section.format == "json" else TextFormatter(_LINE, _TIME)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger("openmessaging")
    root.handlers = [handler]
    root.propagate = False
    root.setLevel(section.level.upper())
