"""Opening connections to RabbitMQ."""

from __future__ import annotations

import importlib.util
from typing import Any

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import error
from openmessaging.model.spi import Driver
from openmessaging.transport.proof import check_cleartext, key_of, tls_of

GUEST = "guest"
"""User and password of a RabbitMQ that was just installed; it lets them in from its own machine only."""


class RabbitmqFactory:
    """Opens drivers on RabbitMQ."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        """Connect. `attributes`: see `openmessaging/transport/proof.py`; `vhost` (default `/`), `auto_create` (default
        True: the first use makes a queue) and `partitions` (default 1: of queues made so).

        Raises OMSRuntimeException 10000 when no host can be reached or the client is not installed, 1401 for an
        account that RabbitMQ refuses, 1418 for wrong attributes.
        """
        if importlib.util.find_spec("aiormq") is None:
            step = 'pip install "openmessaging[rabbitmq]"'
            raise error(10000, "the client of RabbitMQ, aiormq, is not installed", next_step=step)
        from openmessaging.drivers.rabbitmq.access import RabbitmqDriver
        from openmessaging.drivers.rabbitmq.link import Link, Place

        tls = tls_of(attributes)
        check_cleartext([host for host, _ in access_point.hosts], tls, attributes)
        partitions = int(attributes.get("partitions") or 1)
        if partitions < 1:
            raise error(1418, f"partitions: {partitions} is less than 1", field="partitions")
        key = key_of(attributes)
        user = access_point.account_id or GUEST
        place = Place(
            access_point.addresses,
            user,
            (lambda: key() or GUEST) if user == GUEST else key,
            tls,
            str(attributes.get("vhost") or "/"),
        )
        link = Link(place)
        await link.open()
        return RabbitmqDriver(link, partitions if attributes.get("auto_create", True) else None)
