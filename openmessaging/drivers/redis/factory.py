"""Opening drivers on Redis."""

from __future__ import annotations

from typing import Any

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import error
from openmessaging.model.spi import Driver
from openmessaging.transport.proof import check_cleartext, key_of, tls_of


class RedisFactory:
    """Opens drivers on servers of Redis."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        """Connect. Attributes: see `openmessaging/transport/proof.py`; `auto_create` (True) and `partitions` (1) say
        what the first use of a missing queue makes.

        Raises OMSRuntimeException 10000 when redis-py is missing, no host can be reached, or the server is too old, a
        cluster or a sentinel; 1401 when it does not know the account.
        """
        try:
            from openmessaging.drivers.redis.access import open_driver
            from openmessaging.drivers.redis.link import Hosts
        except ModuleNotFoundError as cause:
            step = 'pip install "openmessaging[redis]"'
            raise error(10000, f"{access_point.url} needs redis-py: {cause}", next_step=step) from cause
        tls = tls_of(attributes)
        check_cleartext([host for host, _ in access_point.hosts], tls, attributes)
        hosts = Hosts(access_point.addresses, access_point.account_id or "", key_of(attributes), tls)
        partitions = int(attributes.get("partitions", 1)) if attributes.get("auto_create", True) else 0
        return await open_driver(hosts, access_point.url, partitions)


driver = RedisFactory()
"""What the entry point names."""
