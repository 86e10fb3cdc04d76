"""Both ends of a loopback connection show that they know the secret."""

from __future__ import annotations

import asyncio
import socket

import pytest

from openmessaging.drivers.embedded.proof import prove_as_guest, prove_as_holder


def both(guest_secret: str, holder_secret: str) -> list[BaseException | None]:
    async def prove() -> list[BaseException | None]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)

        async def end(proving, connection):
            with connection:
                await proving

        ends = end(prove_as_guest(ours, guest_secret), ours), end(prove_as_holder(theirs, holder_secret), theirs)
        return await asyncio.gather(*ends, return_exceptions=True)

    return asyncio.run(prove())


def test_who_knows_the_secret_comes_in():
    assert both("secret", "secret") == [None, None]


def test_a_guest_that_does_not_know_it_and_a_holder_that_does_not():
    guest, holder = both("wrong", "secret")
    assert isinstance(guest, ConnectionRefusedError)
    assert isinstance(holder, ConnectionError)


def test_a_guest_that_takes_anything_for_a_proof():
    async def prove() -> None:
        ours, theirs = socket.socketpair()
        for each in (ours, theirs):
            each.setblocking(False)
        with ours, theirs:
            proving = asyncio.ensure_future(prove_as_holder(theirs, "secret"))
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(ours, bytes(64))
            with pytest.raises(ConnectionRefusedError):
                await proving

    asyncio.run(prove())


def test_the_secret_does_not_travel():
    async def sent() -> bytes:
        ours, theirs = socket.socketpair()
        for each in (ours, theirs):
            each.setblocking(False)
        with ours, theirs:
            proving = asyncio.ensure_future(prove_as_guest(ours, "secret"))
            loop = asyncio.get_running_loop()
            said = await loop.sock_recv(theirs, 1000)
            await loop.sock_sendall(theirs, bytes(64))
            with pytest.raises(ConnectionRefusedError):
                await proving
            return said

    assert b"secret" not in asyncio.run(sent())
