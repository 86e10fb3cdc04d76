"""A program that is called."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Call:
    """A request that the receiver got."""

    def __init__(self, fields: list[tuple[str, str]], body: bytes) -> None:
        self.fields = {name.lower(): value for name, value in fields}
        self.pairs = fields
        self.body = body
        self.at = time.time()


class Receiver:
    """A program that is called: proves itself, and answers the rest as the test says."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.handshakes: list[Call] = []
        self.answer: Callable[[Call], tuple[int, dict[str, str]]] = lambda _: (204, {})
        self.proof: Callable[[str], bytes] = lambda challenge: challenge.encode()
        self.came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                call = Call(self.headers.items(), body)
                challenge = call.fields.get("x-oms-challenge")
                status, headers, answer = 200, {}, b""
                if challenge is not None:
                    receiver.handshakes.append(call)
                    answer = receiver.proof(challenge)
                else:
                    with receiver.came:
                        receiver.calls.append(call)
                        receiver.came.notify_all()
                    status, headers = receiver.answer(call)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?x=1"

    def wait(self, count: int, seconds: float = 15.0) -> list[Call]:
        """The calls, when there are so many."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.calls) >= count, seconds), f"{len(self.calls)} calls"
        return self.calls

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
