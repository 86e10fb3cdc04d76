"""Clients of streams."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from wsproto.events import CloseConnection, TextMessage

from tests.server.http.test_websocket import Client
from tests.servers import Serving


def read_events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """The fields of server-sent events."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if not line and found:
            yield found
            found = {}
        elif name:
            value = value.removeprefix(" ")
            found[name] = f"{found[name]}\n{value}" if name in found else value


@contextmanager
def following(node: Serving, path: str, **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    """The events of a path."""
    with httpx.Client(base_url=node.http, timeout=20) as client, client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream"
        yield read_events(answer.iter_lines())


class Socket(Client):
    """A WebSocket that speaks JSON."""

    def say(self, value: Any) -> None:
        """Send a message."""
        self.send(TextMessage(json.dumps(value) if not isinstance(value, str) else value))

    def hear(self) -> Any:
        """The next message; the code and reason with which it was closed instead."""
        text = ""
        while True:
            event = self.next()
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return json.loads(text)
            elif isinstance(event, CloseConnection):
                return event.code, event.reason


def later(seconds: float, action: Any) -> threading.Timer:
    """Do something a little later."""
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer
