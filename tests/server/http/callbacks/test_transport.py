"""Posts: to checked addresses only, and nowhere that somebody else points to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.http.callbacks.addresses import Rules
from openmessaging.server.http.callbacks.transport import MAX_ANSWER, Poster
from tests.server.http.callbacks.receiver import Receiver


def poster(resolve: Any, networks: tuple[str, ...] = (), timeout: float = 1.0) -> Poster:
    return Poster(Rules(["*", "*:*"], networks, plain_http=True), timeout, 4, resolve)


def posted(made: Callable[[], Poster], *urls: str) -> list[Any]:
    """What each post gives: an answer, or the code of an error."""

    async def run() -> list[Any]:
        each_poster, found = made(), []
        for url in urls:
            try:
                found.append(await each_poster.post(url, [], b"x"))
            except OMSRuntimeException as failure:
                found.append(failure.code)
        await each_poster.close()
        return found

    return asyncio.run(run())


def test_a_name_that_leads_inside_is_not_followed(receiver: Receiver) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return {"both.example": ["8.8.8.8", "127.0.0.1"], "mapped.example": ["::ffff:127.0.0.1"]}.get(
            host, ["127.0.0.1"]
        )

    urls = [f"http://{name}:{receiver.port}/" for name in ("in.example", "both.example", "mapped.example")]
    assert posted(lambda: poster(resolve), *urls, f"http://127.0.0.1:{receiver.port}/") == [1403] * 4
    assert not receiver.calls


def test_a_name_that_changes_its_mind(receiver: Receiver) -> None:
    """Rebinding: what was checked is what is connected to, for the name is resolved once."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    url = f"http://rebind.example:{receiver.port}/"
    (answer,) = posted(lambda: poster(resolve, ("127.0.0.1/32",)), url)
    assert answer.status == 204
    assert asked == ["rebind.example"]
    assert receiver.calls[0].fields["host"] == f"rebind.example:{receiver.port}"

    async def rebound(host: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    assert posted(lambda: poster(rebound, ("127.0.0.1/32",)), url) == [1403]


def test_redirects_and_proxies_are_not_followed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1/")
    other = Receiver()
    receiver.answer = lambda _: (307, {"location": other.url})

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    try:
        (answer,) = posted(lambda: poster(resolve, ("127.0.0.0/8",)), receiver.url)
        assert (answer.status, answer.good, other.calls) == (307, False, [])
    finally:
        other.close()


def test_the_next_address_is_tried_and_none_is_an_error(receiver: Receiver) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        if host == "none.example":
            raise OSError("no such name")
        return ["127.0.0.9", "127.0.0.1"]

    urls = [f"http://two.example:{receiver.port}/", "http://none.example/", "http://dead.example:1/"]
    answer, *codes = posted(lambda: poster(resolve, ("127.0.0.0/8",)), *urls)
    assert (answer.status, codes) == (204, [1503, 1503])


def test_a_slow_name_a_slow_answer_and_an_endless_one() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/drip" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
            for _ in range(100):
                writer.write(b"x")
                await asyncio.sleep(0.1)
        elif b"/endless" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
        else:
            writer.write(b"no http\r\n\r\n")
        writer.close()

    async def resolve(host: str, port: int) -> list[str]:
        if host == "slow.example":
            await asyncio.sleep(60)
        return ["127.0.0.1"]

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        each = poster(resolve, ("127.0.0.0/8",), 0.4)
        for url, code in (
            (f"http://a:{port}/drip", 1410),
            ("http://slow.example/", 1410),
            (f"http://a:{port}/x", 1503),
        ):
            with pytest.raises(OMSRuntimeException) as caught:
                await each.post(url, [], b"")
            assert caught.value.code == code
        answer = await each.post(f"http://a:{port}/endless", [], b"")
        assert len(answer.body) == MAX_ANSWER
        await each.close()
        server.close()

    asyncio.run(run())
