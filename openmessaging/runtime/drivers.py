"""Finding a driver by the name in the URL: entry points of the group `openmessaging.drivers`; or where the attribute
DRIVER_IMPL says.

An entry point names an object with `async open(access_point, attributes) -> Driver` and, where calling straight through
is worth it, `open_blocking(access_point, attributes) -> BlockingDriver`.
"""

from __future__ import annotations

import importlib
from typing import cast

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import DriverFactory

GROUP = "openmessaging.drivers"
BUILT_IN = {
    "embedded": "openmessaging.drivers.embedded:driver",
    "memory": "openmessaging.drivers.embedded:driver",
    "oms": "openmessaging.drivers.oms:driver",
    "http": "openmessaging.drivers.http:driver",
    "https": "openmessaging.drivers.http:driver",
    "redis": "openmessaging.drivers.redis.factory:driver",
    "mqtt": "openmessaging.drivers.mqtt.factory:driver",
    "nats": "openmessaging.drivers.nats:driver",
    "rocketmq": "openmessaging.drivers.rocketmq:driver",
    "rabbitmq": "openmessaging.drivers.rabbitmq:driver",
    "pulsar": "openmessaging.drivers.pulsar:driver",
    "kafka": "openmessaging.drivers.kafka:driver",
}
"""The same entry points as this package declares, known without searching what is installed (20 ms)."""


def find_factory(name: str, implementation: str = "") -> DriverFactory:
    """The factory of a driver: the one `implementation` names as `module:name`, else the one that is installed by the
    driver's name. Raises OMSRuntimeException 10000 for one that is not installed or cannot be loaded."""
    if ":" in implementation:
        module, _, attribute = implementation.partition(":")
        try:
            return cast(DriverFactory, getattr(importlib.import_module(module), attribute))
        except Exception as cause:
            step = "Give `module:name`, of a module that can be imported here"
            raise error(10000, f"DRIVER_IMPL {implementation!r}: {cause}", next_step=step) from cause
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return cast(DriverFactory, getattr(importlib.import_module(module), attribute))
    from importlib.metadata import entry_points

    installed = entry_points(group=GROUP)
    for entry in installed:
        if entry.name == name:
            try:
                return cast(DriverFactory, entry.load())
            except Exception as cause:
                step = "Install what it needs, or reinstall it"
                raise error(10000, f"driver {name!r} cannot be loaded: {cause}", next_step=step) from cause
    names = ", ".join(sorted({*BUILT_IN, *installed.names}))
    raise error(10000, f"there is no driver {name!r}", next_step=f"Installed are: {names}")


def not_opened(url: str, cause: BaseException) -> OMSRuntimeException:
    """The error for a system that cannot be opened for a reason that has no code of its own."""
    return error(10000, f"{url} cannot be opened: {cause}", next_step="Check the URL and that the system is there")
