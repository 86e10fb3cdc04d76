"""Opening drivers on Pulsar."""

from __future__ import annotations

from typing import Any

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import error
from openmessaging.model.spi import Driver, Durability
from openmessaging.transport.proof import check_cleartext, key_of, tls_of

_ADMIN_ABOVE = 8080 - 6650
"""How far above the brokers' port the administration is, where nothing else is said: as its usual ports lie."""


class PulsarFactory:
    """Opens drivers on clusters of Pulsar."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        """Connect. Attributes: `admin`, the URL of the administration (the port of the URL plus 1,430, as 8080 lies
        above 6650); `tenant` (`public`); `auto_create` (True) and `partitions` (1) say what the first use of a missing
        queue makes; `durability` (`memory`), what your bookies do before they answer: `fsync` or `quorum`.
        See `openmessaging/transport/proof.py` for the rest; TLS takes files only.

        Raises OMSRuntimeException 10000 when pulsar-client is missing or nobody answers, 1401 when it does not know us.
        """
        try:
            from openmessaging.drivers.pulsar.access import open_driver
            from openmessaging.drivers.pulsar.link import Address
        except ModuleNotFoundError as cause:
            step = 'pip install "openmessaging[pulsar]"'
            raise error(10000, f"{access_point.url} needs pulsar-client: {cause}", next_step=step) from cause
        tls = tls_of(attributes)
        check_cleartext([host for host, _ in access_point.hosts], tls, attributes)
        host, port = access_point.addresses[0]
        scheme = "https" if tls else "http"
        address = Address(
            brokers=",".join(f"{host}:{port}" for host, port in access_point.addresses),
            admin=str(attributes.get("admin") or f"{scheme}://{host}:{port + _ADMIN_ABOVE}").rstrip("/"),
            tenant=str(attributes.get("tenant") or "public"),
            key=key_of(attributes),
            tls=tls,
            authority=attributes.get("TLS_AUTHORITY"),
        )
        partitions = int(attributes.get("partitions", 1)) if attributes.get("auto_create", True) else 0
        durability = Durability(attributes.get("durability", "memory"))
        return await open_driver(address, partitions, durability)
