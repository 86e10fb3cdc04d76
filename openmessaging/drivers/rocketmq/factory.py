"""Opening connections to proxies of RocketMQ.

| attribute | meaning |
|---|---|
| `name_server` | `host:port`: topics are created by way of it on first use; without it they have to be there |
| `sync_flush` | True: the brokers run with `flushDiskType=SYNC_FLUSH`. Clients cannot see that, and placements say it |
"""

from __future__ import annotations

from typing import Any

from openmessaging.drivers.rocketmq.driver import RocketmqDriver
from openmessaging.drivers.rocketmq.proxy import Lost, Proxy
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import error
from openmessaging.model.headers import shown

CONNECT_TIMEOUT = 5.0
"""Seconds for the first answer."""
_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),  # two minutes, if nobody says
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.max_receive_message_length", 256 << 20),  # 32 messages at once
]


class RocketmqFactory:
    """Opens drivers on proxies."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> RocketmqDriver:
        """Connect. Raises OMSRuntimeException 10000 when no host answers, 1418 for an attribute that cannot be used."""
        try:
            import grpc.aio
            import rocketmq.grpc_protocol  # noqa: F401 - whether it is there
        except ImportError as cause:
            step = 'pip install "openmessaging[rocketmq]"'
            raise error(10000, f"{access_point.url}: rocketmq-python-client is missing", next_step=step) from cause
        if access_point.account_id or attributes.get("ACCOUNT_KEY") or attributes.get("TLS"):
            step = "Reach a proxy that asks for neither, over a network that you trust"
            raise error(1418, "accounts and TLS are not offered for RocketMQ yet", next_step=step, field="ACCOUNT_KEY")
        names, synced = attributes.get("name_server", ""), attributes.get("sync_flush", False)
        host, _, port = str(names).rpartition(":")
        if names and not (host and port.isdecimal()):
            raise error(1418, f"name_server: {shown(names)} is no host:port", next_step="It is like 127.0.0.1:9876")
        if type(synced) is not bool:
            raise error(1418, f"sync_flush: {shown(synced)} cannot be used", next_step="Give True or False")
        targets = ",".join(f"{host}:{port}" for host, port in access_point.addresses)
        channel = grpc.aio.insecure_channel(f"ipv4:{targets}" if "," in targets else targets, options=_OPTIONS)
        proxy = Proxy(channel, *access_point.addresses[0])
        try:
            await proxy.greet(CONNECT_TIMEOUT)
        except Lost as cause:
            await channel.close()
            raise error(10000, f"{access_point.url}: {cause}", next_step="Start the proxy: mqproxy") from cause
        return RocketmqDriver(proxy, (host, int(port)) if names else None, synced)
