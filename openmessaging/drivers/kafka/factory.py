"""Opening Kafka: the client's settings from the attributes of the access point."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import error
from openmessaging.transport.proof import check_cleartext, key_of

if TYPE_CHECKING:
    from openmessaging.drivers.kafka.cluster import KafkaDriver

SETTINGS = "KAFKA_SETTINGS"
"""Attribute: a mapping of librdkafka's own settings, which win over all others."""
_DEFAULT_TIMEOUT_MS = 10_000


class KafkaFactory:
    """Opens drivers on clusters."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> KafkaDriver:
        """Connect. `attributes`: TLS (True, or by files) and ACCOUNT_KEY as in `openmessaging/transport/proof.py`;
        `auto_create` (True) and `partitions` (1): whether the first use of a queue makes its topic; KAFKA_SETTINGS.

        Raises OMSRuntimeException 10000 when no broker answers or the extra `kafka` is not installed, 1401 when the
        account is refused, 1418 for settings that the client does not know.
        """
        try:
            from openmessaging.drivers.kafka.cluster import KafkaDriver
        except ImportError as cause:
            step = 'Install it: pip install "openmessaging[kafka]"'
            raise error(10000, f"{access_point.url}: {cause.name} is not installed", next_step=step) from cause
        timeout = float(attributes.get("OPERATION_TIMEOUT") or _DEFAULT_TIMEOUT_MS) / 1000
        partitions = int(attributes.get("partitions", 1)) if attributes.get("auto_create", True) else None
        settings = settings_of(access_point, attributes)
        return await KafkaDriver.connect(access_point.url, settings, timeout, partitions)


def settings_of(access_point: AccessPoint, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """librdkafka's settings for an access point. Raises OMSRuntimeException 1418."""
    files = {
        "ssl.ca.location": attributes.get("TLS_AUTHORITY"),
        "ssl.certificate.location": attributes.get("TLS_CERTIFICATE"),
        "ssl.key.location": attributes.get("TLS_KEY"),
    }
    given = attributes.get("TLS")
    if given is not None and not isinstance(given, bool | str | int):
        step = "Give True, or the files of TLS_AUTHORITY, TLS_CERTIFICATE and TLS_KEY"
        raise error(1418, "TLS: Kafka's client takes no ssl.SSLContext", next_step=step, field="TLS")
    tls = (bool(given) and str(given).lower() not in ("0", "false", "no")) or any(files.values())
    check_cleartext([host for host, _ in access_point.hosts], tls, attributes)
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in access_point.addresses
        ),
        "client.id": "openmessaging",
        "logger": logging.getLogger("openmessaging.driver.kafka"),
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.refresh.interval.ms": 30_000,
    }
    key = key_of(attributes)()
    if key:
        user = {"sasl.mechanism": "PLAIN", "sasl.username": access_point.account_id or "", "sasl.password": key}
        settings.update(user)
    settings["security.protocol"] = f"{'SASL_' if key else ''}{'SSL' if tls else 'PLAINTEXT'}"
    settings.update({name: str(path) for name, path in files.items() if path})
    more = attributes.get(SETTINGS) or {}
    if not isinstance(more, Mapping):
        raise error(1418, f"{SETTINGS}: {more!r} is no mapping", next_step="Give names and values", field=SETTINGS)
    return {**settings, **more}


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
