"""What a program asks of a system when it connects: what must be there, and what may be emulated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSUnsupportException, error
from openmessaging.model.lacking import EMULATIONS, capabilities_of, ways_out
from openmessaging.model.spi import Capability, Driver, DriverFactory


class Wishes(msgspec.Struct, frozen=True):
    """`requires` must be there, native or emulated; `emulate` may be emulated."""

    requires: frozenset[Capability] = frozenset()
    emulate: frozenset[Capability] = frozenset()

    def check(self, driver: Any) -> None:
        """Raises OMSUnsupportException naming all that a driver lacks, and what would do."""
        missing = sorted(self.requires - driver.capabilities)
        if missing:
            steps = ". ".join(dict.fromkeys(map(ways_out, missing)))
            names = ", ".join(missing)
            raise OMSUnsupportException(1400, f"{names}: required, and not there", next_step=steps, field="requires")


NOTHING = Wishes()


def wishes_of(requires: Iterable[str], emulate: Iterable[str]) -> Wishes:
    """The wishes that two arguments of `connect` mean. Raises OMSRuntimeException 1418 for a name that is none, or
    that nothing can emulate."""
    allowed = capabilities_of(emulate, "emulate")
    for name in sorted(allowed - EMULATIONS):
        step = f"What can be emulated: {', '.join(sorted(EMULATIONS))}"
        raise error(1418, f"emulate: {name.value!r} would not be what its name says", next_step=step, field="emulate")
    return Wishes(capabilities_of(requires, "requires"), allowed)


class Fitting:
    """A factory whose drivers have what was wished for, emulated where it has to be."""

    def __init__(self, inner: DriverFactory, wishes: Wishes) -> None:
        self._inner = inner
        self._wishes = wishes

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        """Open it. Raises what the driver raises, and OMSUnsupportException."""
        driver = await self._inner.open(access_point, attributes)
        try:
            wanted = self._wishes.emulate - driver.capabilities
            if wanted:
                from openmessaging.drivers.emulation.driver import EmulatingDriver  # most programs need none

                emulating: Any = EmulatingDriver(driver, wanted)
                self._wishes.check(emulating)
                return emulating  # type: ignore[no-any-return] # what it does not define is the driver's
            self._wishes.check(driver)
        except BaseException:
            await driver.close()
            raise
        return driver
