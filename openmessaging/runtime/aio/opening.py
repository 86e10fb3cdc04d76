"""Opening a driver for asyncio."""

from __future__ import annotations

from typing import Any

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Driver
from openmessaging.runtime.drivers import find_factory, not_opened


async def open_driver(access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
    """Open the system of an access point.

    Raises OMSRuntimeException 10000 when there is no such driver or it cannot open, or the driver's own code.
    """
    factory = find_factory(access_point.driver, str(attributes.get("DRIVER_IMPL", "")))
    try:
        return await factory.open(access_point, attributes)
    except OMSRuntimeException:
        raise
    except Exception as cause:
        raise not_opened(access_point.url, cause) from cause
