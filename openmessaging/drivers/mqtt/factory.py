"""Opening drivers on brokers of MQTT."""

from __future__ import annotations

from typing import Any

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import error
from openmessaging.model.spi import Driver
from openmessaging.transport.proof import check_cleartext, key_of, tls_of


class MqttFactory:
    """Opens drivers on brokers."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        """Connect. Attributes: see `openmessaging/transport/proof.py`; `CLIENT_ID`: the name of this program, the same
        at each of its starts and no other's, by which the broker keeps messages for its consumers.

        Raises OMSRuntimeException 10000 when paho-mqtt is missing or no host can be reached, 1401 when the broker does
        not know the account.
        """
        try:
            from openmessaging.drivers.mqtt.access import MqttDriver
            from openmessaging.drivers.mqtt.session import Broker
        except ModuleNotFoundError as cause:
            step = 'pip install "openmessaging[mqtt]"'
            raise error(10000, f"{access_point.url} needs paho-mqtt: {cause}", next_step=step) from cause
        tls = tls_of(attributes)
        check_cleartext([host for host, _ in access_point.hosts], tls, attributes)
        broker = Broker(access_point.addresses, access_point.account_id or "", key_of(attributes), tls)
        opened = MqttDriver(broker, attributes.get("CLIENT_ID"))
        try:
            await opened.open()
        except OSError as cause:
            text = f"{access_point.url}: {cause or 'no answer'}"
            raise error(10000, text, next_step="Start the broker, or check host and port") from cause
        return opened


driver = MqttFactory()
"""What the entry point names."""
