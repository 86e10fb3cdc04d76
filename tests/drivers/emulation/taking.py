"""A store in memory from which capabilities were taken away, as a driver: `DRIVER_IMPL` names `driver`."""

from typing import Any

from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.spi import Capability

TAKEN = frozenset((Capability.FILTER, Capability.DELAY, Capability.DEAD_LETTER))
ATTRIBUTES = {"DRIVER_IMPL": f"{__name__}:driver"}


class Lesser:
    """A driver that says it can do less; it is never asked for what it does not say."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.capabilities = inner.capabilities - TAKEN
        self.max_body_bytes = inner.max_body_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def subscribe(self, spec: Any) -> Any:
        assert not spec.config.filter
        return self._inner.subscribe(spec)


class Factory:
    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Any:
        return Lesser(await embedded.open(access_point, attributes))


driver = Factory()


class Straight(Factory):
    def open_blocking(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Any:
        return Lesser(embedded.open_blocking(access_point, attributes))


straight = Straight()
