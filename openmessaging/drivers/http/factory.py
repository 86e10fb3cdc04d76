"""Opening connections through HTTP: a WebSocket, or requests where none gets through."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openmessaging.drivers.oms.channel import Channel
from openmessaging.drivers.oms.driver import OmsDriver
from openmessaging.drivers.oms.factory import CONNECT_TIMEOUT, connect
from openmessaging.drivers.oms.link import Link
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.transport.proof import check_cleartext, key_of, tls_of
from openmessaging.transport.tunnel import Tunnel
from openmessaging.wire import Hello

if TYPE_CHECKING:
    import aiohttp

    from openmessaging.drivers.http.carriers import Carrier

logger = logging.getLogger("openmessaging.driver")
PATH = "/v1/native"
HANG_UP_TIMEOUT = 1.0
"""Seconds to say farewell."""


class Blocked(Exception):
    """No WebSocket gets through to a server that can be reached."""


class HttpFactory:
    """Opens drivers on servers behind HTTP."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> HttpDriver:
        """Connect. `attributes`: see `openmessaging/transport/proof.py`. Proxies are taken from HTTP_PROXY, HTTPS_PROXY
        and NO_PROXY.

        Raises OMSRuntimeException 10000 when no host can be reached, 1401 when the server does not know the account,
        1418 for files of TLS that cannot be read, and for a key that would go to another machine in the clear.
        """
        try:
            dial = _Dial(access_point, attributes)
        except ImportError as cause:
            step = 'Install it: pip install "openmessaging[http]"'
            raise error(10000, f"{access_point.url}: {cause.name} is not installed", next_step=step) from cause
        return HttpDriver(await connect(access_point, attributes, dial), dial)


class HttpDriver(OmsDriver):
    """A server behind HTTP."""

    def __init__(self, channel: Channel, dial: _Dial) -> None:
        super().__init__(channel)
        self._dial = dial

    async def close(self) -> None:
        """Hang up, and let the server know."""
        await super().close()
        await self._dial.close()


class _Dial:
    """Connects to a host; remembers which of them no WebSocket gets through to."""

    def __init__(self, access_point: AccessPoint, attributes: dict[str, Any]) -> None:
        import aiohttp

        from openmessaging.drivers.http import carriers

        self._aiohttp = aiohttp
        self._carriers = carriers
        self._scheme = access_point.driver
        secure = self._scheme == "https"
        self._tls: ssl.SSLContext | bool = (secure and tls_of(attributes, always=True)) or True
        check_cleartext([host for host, _ in access_point.hosts], secure, attributes)
        self._account, self._key = access_point.account_id, key_of(attributes)
        self._plain: set[tuple[str, int]] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    async def __call__(self, make: Callable[[], Link], first: Hello, host: str, port: int) -> Link:
        """See `openmessaging.drivers.oms.factory.Dial`."""
        url = f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
        if (host, port) not in self._plain:
            try:
                return await self._websocket(make(), first, host, url)
            except Blocked as cause:
                logger.info("no WebSocket to %s (%s): plain requests from now on", url, cause)
        link = await self._requests(make(), first, host, url)
        self._plain.add((host, port))
        return link

    async def close(self) -> None:
        """Wait until what was told has been sent, within reason."""
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=2 * HANG_UP_TIMEOUT)

    def _shown(self) -> dict[str, str]:
        """The header that says who asks; the key may have been rotated since the last connection."""
        key = self._key()
        if self._account:
            return {"Authorization": f"Basic {b64encode(f'{self._account}:{key}'.encode()).decode()}"}
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _session(self, host: str) -> aiohttp.ClientSession:
        timeout = self._aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        session: aiohttp.ClientSession = self._aiohttp.ClientSession(
            connector=self._aiohttp.TCPConnector(ssl=self._tls),
            headers=self._shown(),
            timeout=timeout,
            proxy=proxy_for(self._scheme, host),
        )
        return session

    async def _websocket(self, link: Link, first: Hello, host: str, url: str) -> Link:
        """Raises Blocked when plain requests may get through."""
        aiohttp = self._aiohttp
        session = self._session(host)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                socket = await session.ws_connect(url, max_msg_size=0)
        except BaseException as cause:
            await session.close()
            if isinstance(cause, aiohttp.WSServerHandshakeError) and cause.status == 401:
                raise self._carriers.unknown_account() from cause
            if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
                raise
            if isinstance(cause, aiohttp.ClientError | TimeoutError):
                raise Blocked(str(cause) or "no answer") from cause
            raise
        try:
            return await self._opened(link, first, session, self._carriers.WebSocket(socket))
        except (ConnectionError, OMSRuntimeException) as cause:
            if isinstance(cause, OMSRuntimeException) and cause.code != 1410:
                raise
            raise Blocked(f"it was opened, and nothing came: {cause}") from cause

    async def _requests(self, link: Link, first: Hello, host: str, url: str) -> Link:
        session = self._session(host)
        carrier = self._carriers.Requests(session, f"{url}/{secrets.token_hex(16)}")
        return await self._opened(link, first, session, carrier)

    async def _opened(self, link: Link, first: Hello, session: aiohttp.ClientSession, carrier: Carrier) -> Link:
        task = asyncio.get_running_loop().create_task(_carry(Tunnel(link), session, carrier))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        await asyncio.sleep(0)  # the tunnel is there once the task has begun
        await link.open(first)
        return link


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that the environment names, looked up once for a connection and not for each request."""
    from urllib.request import getproxies, proxy_bypass

    proxy = None if proxy_bypass(host) else getproxies().get(scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


async def _carry(tunnel: Tunnel, session: aiohttp.ClientSession, carrier: Carrier) -> None:
    try:
        await tunnel.run(carrier.receive, carrier.send)
    finally:
        with contextlib.suppress(OSError, OMSRuntimeException):
            async with asyncio.timeout(HANG_UP_TIMEOUT):
                await carrier.close()
        await session.close()
