"""Opening a driver for threads: straight through where it has a blocking face, else over a bridge."""

from __future__ import annotations

from typing import Any, cast

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.blocking_spi import BlockingDriver
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.drivers import find_factory, not_opened
from openmessaging.runtime.wishes import NOTHING, Fitting, Wishes


def open_driver(access_point: AccessPoint, attributes: dict[str, Any], wishes: Wishes = NOTHING) -> BlockingDriver:
    """Open the system of an access point.

    Raises OMSRuntimeException 10000 when there is no such driver or it cannot open, or the driver's own code;
    OMSUnsupportException when it has not what was wished for.
    """
    factory = find_factory(access_point.driver, str(attributes.get("DRIVER_IMPL", "")))
    open_blocking = getattr(factory, "open_blocking", None)
    try:
        driver = None if open_blocking is None else open_blocking(access_point, attributes)
        if driver is not None:
            if driver.capabilities >= wishes.emulate:
                return _checked(cast(BlockingDriver, driver), wishes)
            driver.close()  # what it lacks is emulated over its asyncio face
        from openmessaging.runtime.bridge import open_bridged

        return open_bridged(Fitting(factory, wishes), access_point, attributes)
    except OMSRuntimeException:
        raise
    except Exception as cause:
        raise not_opened(access_point.url, cause) from cause


def _checked(driver: BlockingDriver, wishes: Wishes) -> BlockingDriver:
    try:
        wishes.check(driver)
    except BaseException:
        driver.close()
        raise
    return driver
