"""Opening a driver for asyncio."""

from __future__ import annotations

from typing import Any

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Driver
from openmessaging.runtime.drivers import find_factory, not_opened
from openmessaging.runtime.wishes import NOTHING, Fitting, Wishes


async def open_driver(access_point: AccessPoint, attributes: dict[str, Any], wishes: Wishes = NOTHING) -> Driver:
    """Open the system of an access point.

    Raises OMSRuntimeException 10000 when there is no such driver or it cannot open, or the driver's own code;
    OMSUnsupportException when it has not what was wished for.
    """
    factory = find_factory(access_point.driver, str(attributes.get("DRIVER_IMPL", "")))
    try:
        return await Fitting(factory, wishes).open(access_point, attributes)
    except OMSRuntimeException:
        raise
    except Exception as cause:
        raise not_opened(access_point.url, cause) from cause
