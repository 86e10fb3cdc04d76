"""Opening connections to NATS servers.

| attribute | meaning |
|---|---|
| `CREDENTIALS` | a `.creds` file (JWT and key of a user) |
| `auto_create`, `partitions` | whether the first use of a queue creates it (True), and its number of partitions (1) |
| `replicas` | copies of each new stream, in a cluster (1) |
| `sync_always` | True: the server runs with `sync_interval: always`. Clients cannot see that, and placements say it |

The account's name and key, and TLS: `openmessaging/transport/proof.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from openmessaging.drivers.nats.connection import API, Connection, Lost, NoResponders
from openmessaging.drivers.nats.driver import NatsDriver
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.headers import shown
from openmessaging.transport.proof import check_cleartext, key_of, tls_of

CONNECT_TIMEOUT = 5.0
"""Seconds for the first connection."""
_RECONNECT_WAIT = 0.2
_PING = 10
"""Seconds between pings; two without an answer, and the connection counts as broken."""


class NatsFactory:
    """Opens drivers on NATS servers."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> NatsDriver:
        """Connect. Raises OMSRuntimeException 10000 when no host can be reached or JetStream is off there, 1401 when
        the server does not know the user, 1418 for an attribute that cannot be used."""
        try:
            from nats.aio.client import Client
        except ImportError as cause:
            step = 'pip install "openmessaging[nats]"'
            raise error(10000, f"{access_point.url}: nats-py is not installed", next_step=step) from cause
        options = _options(attributes)
        client = Client()
        connection = await _connected(client, access_point, attributes)
        try:
            await connection.open()
            await connection.ask(f"{API}INFO", timeout=CONNECT_TIMEOUT)
        except (Lost, NoResponders) as cause:
            await client.close()
            step = "Start the server with JetStream: nats-server -js"
            raise error(10000, f"{access_point.url}: JetStream does not answer there", next_step=step) from cause
        return NatsDriver(connection, **options)


def _options(attributes: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"auto_create": True, "partitions": 1, "replicas": 1, "sync_always": False}
    for name, default in options.items():
        value = attributes.get(name, default)
        if type(value) is not type(default) or (type(value) is int and not 1 <= value <= 1_000):
            step = "Give True or False" if type(default) is bool else "Give a number from 1 to 1,000"
            raise error(1418, f"{name}: {shown(value)} cannot be used", next_step=step, field=name)
        options[name] = value
    return options


async def _connected(client: Any, access_point: AccessPoint, attributes: dict[str, Any]) -> Connection:
    tls = tls_of(attributes)
    check_cleartext([host for host, _ in access_point.hosts], tls, attributes)
    addresses = access_point.addresses
    failures: list[Exception] = []
    given_up = asyncio.Event()
    holder: list[Connection] = []

    async def failed(failure: Exception) -> None:
        failures.append(failure)
        if len(failures) >= len(addresses) or _is_refused(failure):
            given_up.set()

    async def broke() -> None:
        if holder:
            await holder[0].broke()

    async def back() -> None:
        if holder:
            await holder[0].back()

    scheme = "tls" if tls else "nats"
    connecting = asyncio.ensure_future(
        client.connect(
            [f"{scheme}://{_bracketed(host)}:{port}" for host, port in addresses],
            error_cb=failed,
            disconnected_cb=broke,
            reconnected_cb=back,
            name="openmessaging",
            connect_timeout=CONNECT_TIMEOUT,
            reconnect_time_wait=_RECONNECT_WAIT,
            max_reconnect_attempts=-1,
            ping_interval=_PING,
            dont_randomize=True,
            tls=tls,
            flush_timeout=CONNECT_TIMEOUT,
            **_account(access_point, attributes),
        )
    )
    waiting = asyncio.ensure_future(given_up.wait())
    await asyncio.wait({connecting, waiting}, timeout=CONNECT_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if connecting.done() and connecting.exception() is None:
        holder.append(Connection(client))
        return holder[0]
    if connecting.done():
        failures.append(_as_exception(connecting.exception()))
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await client.close()
    raise _not_connected(access_point.url, failures)


def _account(access_point: AccessPoint, attributes: dict[str, Any]) -> dict[str, Any]:
    key = key_of(attributes)
    if attributes.get("CREDENTIALS"):
        return {"user_credentials": str(attributes["CREDENTIALS"])}
    if access_point.account_id:
        return {"user": access_point.account_id, "password": key}
    return {"token": key} if key() else {}


def _as_exception(failure: BaseException | None) -> Exception:
    return failure if isinstance(failure, Exception) else ConnectionError("no answer")


def _is_refused(failure: Exception) -> bool:
    return "authorization" in str(failure).lower() or "authentication" in str(failure).lower()


def _not_connected(url: str, failures: list[Exception]) -> OMSRuntimeException:
    for failure in failures:
        if _is_refused(failure):
            step = "Give the account in the URL and ACCOUNT_KEY, or CREDENTIALS"
            return error(1401, f"{url}: {failure}", next_step=step)
    reason = failures[-1] if failures else "no answer"
    return error(10000, f"{url}: {reason}", next_step="Start it: nats-server -js")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
