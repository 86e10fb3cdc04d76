"""What pull and push consumers have in common. Source: runtime interface 1.0.0, "consumers"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from openmessaging.model.lacking import lacking
from openmessaging.model.spi import Capability
from openmessaging.runtime.aio.extension import Extension
from openmessaging.runtime.aio.lifecycle import Service
from openmessaging.runtime.aio.primitives import Subscription
from openmessaging.runtime.interceptor import ConsumerInterceptor, everywhere
from openmessaging.runtime.membership import Membership

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint


class Consumer(Service):
    """Root of pull and push consumers."""

    def __init__(self, access_point: AccessPoint, membership: Membership) -> None:
        super().__init__()
        self._access_point = access_point
        self._membership = membership
        self._bound: set[str] = set()
        self._interceptors: list[ConsumerInterceptor] = [*everywhere[1]]

    @property
    def group(self) -> str:
        """The consumer group; of a broadcast consumer, its own."""
        return self._membership.group

    def get_bind_queues(self) -> set[str] | None:
        """Full names of the bound queues; None when there are none."""
        return set(self._bound) or None

    def is_bind_queue(self, queue: str) -> bool:
        """Whether a queue is bound."""
        return self._access_point.full(queue) in self._bound

    def add_interceptor(self, interceptor: ConsumerInterceptor) -> None:
        """Add an interceptor behind those that are there."""
        self._interceptors = [*self._interceptors, interceptor]

    def remove_interceptor(self, interceptor: ConsumerInterceptor) -> None:
        """Remove an interceptor; nothing happens when it is not there."""
        self._interceptors = [each for each in self._interceptors if each is not interceptor]

    def get_extension(self) -> Extension:
        """Queue metadata and the like."""
        return Extension(self._access_point)

    def _full_names(self, queues: str | Iterable[str]) -> list[str]:
        return [self._access_point.full(queue) for queue in ([queues] if isinstance(queues, str) else queues)]

    async def _subscribe(self, queue: str) -> Subscription:
        driver = await self._access_point.get_driver()
        if self._membership.config.filter and Capability.FILTER not in driver.capabilities:
            raise lacking(Capability.FILTER, "filter")
        return await driver.subscribe(self._membership.spec(queue))
