"""The audit log: who did or tried what, where and with which outcome, one JSON document per line. Never a secret.

Sign-ins and refusals are written each time, changes of queues and the like too; sending, receiving and reading when an
identity does it with a queue for the first time. Lines go to a file if one is named, else to the logger
`openmessaging.audit`.
"""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from openmessaging.server.security.grants import GRANTABLE
from openmessaging.server.security.identity import Credentials, Identity

logger = logging.getLogger("openmessaging.audit")
_PER_SECOND = 100
"""Refusals that are written per second; further ones are counted, so that nobody can fill a disk with them."""


class Audit:
    """Writes lines.

    Args:
        path: a file that is appended to, and opened anew when it was moved away; None: the logger alone.
        now_ms: the wall clock, ms.
    """

    def __init__(self, path: str | None, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._file: logging.Handler | None = None
        if path is not None:
            self._file = logging.handlers.WatchedFileHandler(path, encoding="utf-8", delay=False)
        self._second = self._written = self._left_out = 0

    def signed_in(self, identity: Identity) -> None:
        """A client was recognised."""
        self._write("sign-in", identity.name, identity.how, identity.peer, "allowed", token=identity.token)

    def connected(self, identity: Identity) -> None:
        """A client that is known has opened a connection or a stream."""
        self._write("connect", identity.name, identity.how, identity.peer, "allowed", token=identity.token)

    def turned_away(self, credentials: Credentials, reason: str) -> None:
        """A client was not."""
        if self._has_room():
            self._write("sign-in", credentials.account, "", credentials.peer, "denied", reason=reason)

    def allowed(self, identity: Identity, operation: str, action: int, resource: str) -> None:
        """An operation was allowed."""
        self._write(
            operation, identity.name, identity.how, identity.peer, "allowed", action=_word(action), resource=resource
        )

    def denied(self, identity: Identity, operation: str, action: int, resource: str) -> None:
        """An operation was refused."""
        if self._has_room():
            self._write(
                operation, identity.name, identity.how, identity.peer, "denied", action=_word(action), resource=resource
            )

    def told(self, what: str, **facts: Any) -> None:
        """Something that the server did: rules read again, certificates read again, a client cut off."""
        self._write(what, "", "server", "", "done", **facts)

    def _has_room(self) -> bool:
        second = self._now_ms() // 1000
        if second != self._second:
            left_out, self._left_out = self._left_out, 0
            self._second, self._written = second, 0
            if left_out:
                self.told("left-out", refusals=left_out)
        self._written += 1
        if self._written > _PER_SECOND:
            self._left_out += 1
            return False
        return True

    def _write(self, operation: str, user: str, how: str, peer: str, outcome: str, **facts: Any) -> None:
        at = datetime.fromtimestamp(self._now_ms() / 1000, UTC).isoformat(timespec="milliseconds")
        line = {"time": at, "user": user, "how": how, "peer": peer or "unix", "operation": operation}
        line |= {name: value for name, value in facts.items() if value != ""}
        text = msgspec.json.encode({**line, "outcome": outcome}).decode()
        level = logging.WARNING if outcome == "denied" else logging.INFO
        record = logger.makeRecord(logger.name, level, "", 0, text, (), None)
        if self._file is not None:
            self._file.handle(record)
        elif logger.isEnabledFor(level):
            logger.handle(record)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _word(action: int) -> str:
    return next((name for name, each in GRANTABLE.items() if each & action), "use")
