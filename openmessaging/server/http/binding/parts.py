"""Several messages in one answer: each a part, its fields and its body, framed as multipart or as server-sent events.

A part is what a MIME part is: lines `name: value`, an empty line, the body. As an event its body is base64, for a
server-sent event is text.
"""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.model.value_text import write_binary
from openmessaging.server.http.streams import event

Part = tuple[Sequence[tuple[str, str]], bytes]
"""Fields and body."""

MULTIPART = "multipart/mixed"


def multipart_begin(boundary: str) -> bytes:
    """What stands before the first part: the delimiter comes at once behind each part, so that a reader knows where it
    ends without waiting for the next."""
    return f"--{boundary}".encode()


def multipart_part(boundary: str, part: Part) -> bytes:
    """A part, and the delimiter behind it."""
    fields, body = part
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    before = f"\r\n{head}content-length: {len(body)}\r\n\r\n".encode("latin-1")
    return b"".join((before, body, b"\r\n--", boundary.encode()))


MULTIPART_END = b"--\r\n"


def event_part(part: Part, identity: str = "") -> bytes:
    """A part as a server-sent event."""
    fields, body = part
    lines = [f"{name}: {value}" for name, value in fields]
    lines += ["content-transfer-encoding: base64", "", write_binary(body)]
    return event("\n".join(lines), identity=identity)
