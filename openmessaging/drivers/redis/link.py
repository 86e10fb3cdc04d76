"""Connections to the server: commands sent together, answered together; made anew when they break.

A client of redis-py takes a connection of a pool per call. Here a link is one connection, in order, with its commands
in one packet: what a driver that collects needs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from hashlib import sha1
from ssl import SSLContext
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from openmessaging.drivers.redis import scripts
from openmessaging.model.errors import OMSRuntimeException, error

CONNECT_WITHIN = 5.0
"""Seconds for a connection to one host."""
ANSWER_WITHIN = 10.0
"""Seconds for an answer, beside what a command waits by itself; then the connection is taken for broken."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds between attempts to connect: doubled each time, and drawn between half of it and all."""
PATIENCE = 30.0
"""Seconds without a connection after which calls and sends fail."""
Command = Sequence[Any]
_SCRIPTS = [text for name, text in vars(scripts).items() if name.isupper()]
_SHAS = {text: sha1(text.encode()).hexdigest() for text in _SCRIPTS}  # noqa: S324 - it is what Redis calls them by


class Lost(Exception):
    """There was no connection, or it broke. `sent`: whether the commands may have been done."""

    def __init__(self, text: str, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


class Hosts:
    """Where the servers are and how they are reached; the one that worked last comes first."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], account: str, key: Callable[[], str], tls: SSLContext | None
    ) -> None:
        self._addresses = list(addresses)
        self._account = account
        self._key = key
        self._tls = tls

    async def dial(self) -> AbstractConnection:
        """Connect to the first host that takes writes. Raises Lost; OMSSecurityException when it knows us not."""
        failure: Exception | None = None
        for _ in range(len(self._addresses)):
            connection = self._connection(*self._addresses[0])
            try:
                await connection.connect()  # type: ignore[no-untyped-call]
                await self._prepare(connection)
                return connection
            except (AuthenticationError, AuthorizationError, NoPermissionError) as cause:
                await connection.disconnect(nowait=True)
                step = "Check the account of the URL and the attribute ACCOUNT_KEY"
                raise error(1401, str(cause), next_step=step) from cause
            except (RedisError, OSError) as cause:
                await connection.disconnect(nowait=True)
                failure = cause
                self._addresses.append(self._addresses.pop(0))
        raise Lost(str(failure), sent=False) from failure

    def _connection(self, host: str, port: int) -> AbstractConnection:
        facts: dict[str, Any] = {
            "host": host,
            "port": port,
            "username": self._account or None,
            "password": self._key() or None,  # asked each time: it may have been rotated
            "socket_connect_timeout": CONNECT_WITHIN,
            "socket_timeout": None,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
        }
        if self._tls is None:
            return Connection(**facts)
        secure = SSLConnection(**facts)
        secure.ssl_context = _Given(self._tls)  # type: ignore[assignment] # what it needs of one
        return secure

    async def _prepare(self, connection: AbstractConnection) -> None:
        role, *shas = await _ask(connection, [("ROLE",), *(("SCRIPT", "LOAD", text) for text in _SCRIPTS)])
        refused = next((each for each in shas if isinstance(each, ResponseError)), None)
        if not isinstance(role, ResponseError) and role[0] != b"master":
            raise ReadOnlyError(f"{connection} is a {role[0].decode()}")
        if refused is not None:
            raise refused


class _Given:
    """A TLS context where redis-py would make one."""

    def __init__(self, context: SSLContext) -> None:
        self._context = context

    def get(self) -> SSLContext:
        return self._context


class Link:
    """One connection at a time, for commands of several tasks, one set after the other."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._connection: AbstractConnection | None = None
        self._lock = asyncio.Lock()
        self.connected = 0
        """How many connections there have been."""

    async def ask(self, *commands: Command, wait: float = 0.0) -> list[Any]:
        """The answers to commands that are sent together and wait up to `wait` seconds; where the server refused one,
        its error stands. Raises Lost; OMSSecurityException."""
        async with self._lock:
            if self._connection is None:
                self._connection = await self._hosts.dial()
                self.connected += 1
            try:
                async with asyncio.timeout(ANSWER_WITHIN + wait):
                    answers = await _ask(self._connection, commands)
            except (RedisError, OSError) as cause:
                await self._drop()
                raise Lost(str(cause) or "no answer in time", sent=True) from cause
            except BaseException:
                await self._drop()
                raise
            if any(isinstance(each, NoScriptError | ReadOnlyError) for each in answers):
                await self._drop()  # the scripts were flushed, or the server was demoted
                raise Lost(f"{next(each for each in answers if isinstance(each, ResponseError))}", sent=False)
            return answers

    async def insist(self, *commands: Command, wait: float = 0.0) -> list[Any]:
        """The answers to commands that come to the same when they are done twice: asked again over new connections.

        Raises the error of the first that the server refused; OMSRuntimeException 1503 after `PATIENCE` seconds, 1410
        where it may have been done.
        """
        loop = asyncio.get_running_loop()
        deadline, pause, sent = loop.time() + PATIENCE, FIRST_PAUSE, False
        while True:
            try:
                answers = await self.ask(*commands, wait=wait)
            except Lost as lost:
                sent |= lost.sent
                if loop.time() > deadline:
                    raise gone(lost, sent) from lost
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - it spreads clients
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                for answer in answers:
                    if isinstance(answer, ResponseError):
                        raise translated(answer) from answer
                return answers

    async def close(self) -> None:
        """Hang up, as soon as nothing is being asked."""
        async with self._lock:
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


async def _ask(connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
    # Packed in C; the client's own packing for asyncio is in Python, and takes longer than the server does.
    await connection.send_packed_command([pack_command(tuple(each)) for each in commands], check_health=False)
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await connection.read_response(disable_decoding=True))
        except ResponseError as refused:
            answers.append(refused)
    return answers


def script(text: str, keys: Sequence[str], *arguments: str | bytes | int | float) -> Command:
    """The command that runs a script of `scripts.py`."""
    return ("EVALSHA", _SHAS[text], len(keys), *keys, *arguments)


def gone(cause: Lost, sent: bool) -> OMSRuntimeException:
    """The error for a server that was not reached in time."""
    text = f"Redis did not answer for {PATIENCE:.0f} s: {cause}"
    return error(1410, f"{text}; it may have been done") if sent else error(1503, text, next_step="Start the server")


_CODES: dict[str, tuple[int, str]] = {
    "OMSGONE": (1404, "Create it, or let queues be created by their first use"),
    "OMSCHANGED": (1503, "The queue was made anew with other partitions: try again"),
    "OMSTYPE": (1418, "A key of this name holds something else than a stream: take another name"),
    "OMSNAMESPACE": (1405, "Create the namespace first"),
    "OMSTHERE": (1406, "Take another name"),
    "NOGROUP": (1404, "The group was deleted: subscribe again"),
    "WRONGTYPE": (1418, "A key of this name holds something else than a stream: take another name"),
    "MISCONF": (1501, "Look at the server's log: it cannot write to its disk"),
}


def translated(answer: Exception | str, what: str = "") -> OMSRuntimeException:
    """This library's error for one of the server's, or for the text of one."""
    text = str(answer)
    if isinstance(answer, NoPermissionError):
        return error(1403, text, next_step="Let the account use these commands and keys (ACL SETUSER)")
    if isinstance(answer, OutOfMemoryError):
        return error(1502, text, next_step="Raise maxmemory, or let consumers catch up")
    for prefix, (code, step) in _CODES.items():
        if prefix in text:
            return error(code, f"{what}: {text}" if what else text, next_step=step)
    return error(1500, text, next_step="Look at the server's log")
