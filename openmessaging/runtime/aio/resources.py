"""The resource manager: namespaces, queues, consumer groups. Changes apply at once.

Source: runtime interface 1.0.0, "resource manager"; describe, update, purge and groups are this project's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openmessaging.model.destination import check_namespace
from openmessaging.model.errors import error
from openmessaging.model.lacking import lacking
from openmessaging.model.spi import Capability, DelayedInfo, GroupInfo, QueueInfo
from openmessaging.model.transaction import InDoubt
from openmessaging.runtime.aio.replay import Replay
from openmessaging.runtime.aio.routing import Routing
from openmessaging.runtime.aio.schedules import Schedules
from openmessaging.runtime.required import require
from openmessaging.runtime.streams import stream_name

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint


class ResourceManager(Replay, Routing, Schedules):
    """Reached by `access_point.resource_manager()`. Queue names are bare or full."""

    def __init__(self, access_point: AccessPoint) -> None:
        self._access_point = access_point

    async def create_namespace(self, namespace: str) -> None:
        """Create a namespace. Raises OMSDestinationException 1407 when it is there, OMSRuntimeException 1418."""
        driver = await self._access_point.get_driver()
        await driver.create_namespace(check_namespace(namespace))

    async def delete_namespace(self, namespace: str) -> None:
        """Delete an empty namespace. Raises OMSDestinationException 1405 when missing, 1400 when it has queues."""
        driver = await self._access_point.get_driver()
        await driver.delete_namespace(check_namespace(namespace))

    async def switch_namespace(self, namespace: str) -> None:
        """Make a namespace the current one of the access point. Raises OMSDestinationException 1405 when missing."""
        if namespace not in await self.list_namespaces():
            raise error(1405, f"there is no namespace {namespace!r}", next_step="Create it first")
        self._access_point.namespace = namespace

    async def list_namespaces(self) -> set[str]:
        """Names of all namespaces."""
        driver = await self._access_point.get_driver()
        return set(await driver.list_namespaces())

    async def create_queue(self, queue: str, partitions: int = 1, **config: Any) -> None:
        """Create a queue; `config` are settings of the driver.

        Raises OMSDestinationException 1406 when it is there, 1405 when its namespace is missing; OMSRuntimeException
        1418 for a wrong name, number of partitions or setting.
        """
        driver = await self._access_point.get_driver()
        await driver.create_queue(self._access_point.full(queue), partitions, config)

    async def update_queue(self, queue: str, **config: Any) -> None:
        """Change settings; those not named stay. Raises OMSDestinationException 1404 when missing."""
        driver = await self._access_point.get_driver()
        await driver.update_queue(self._access_point.full(queue), config)

    async def delete_queue(self, queue: str) -> None:
        """Delete a queue with its messages and groups. Raises OMSDestinationException 1404 when missing."""
        driver = await self._access_point.get_driver()
        await driver.delete_queue(self._access_point.full(queue))

    async def purge_queue(self, queue: str) -> int:
        """Drop all messages; returns how many. Raises OMSDestinationException 1404 when missing."""
        driver = await self._access_point.get_driver()
        return await driver.purge_queue(self._access_point.full(queue))

    async def list_queues(self, namespace: str | None = None) -> set[str]:
        """Full names of the queues of a namespace, by default the current one. Raises OMSDestinationException 1405."""
        driver = await self._access_point.get_driver()
        return set(await driver.list_queues(namespace or self._access_point.namespace))

    async def describe_queue(self, queue: str) -> QueueInfo:
        """Partitions, offsets, groups and settings. Raises OMSDestinationException 1404 when missing."""
        driver = await self._access_point.get_driver()
        return await driver.describe_queue(self._access_point.full(queue))

    async def list_streams(self, queue: str) -> list[str]:
        """Names of a queue's streams, one per partition and lane. Raises OMSDestinationException 1404 when missing."""
        info = await self.describe_queue(queue)
        return [stream_name(info.name, partition) for partition in range(len(info.offsets))]

    async def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """Consumer groups of a queue, or all. Raises OMSDestinationException 1404 when the queue is missing."""
        driver = await self._access_point.get_driver()
        return await driver.list_groups(None if queue is None else self._access_point.full(queue))

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Lag, messages in flight, settings. Raises OMSDestinationException 1404 when missing."""
        driver = await self._access_point.get_driver()
        return await driver.describe_group(self._access_point.full(queue), group)

    async def delete_group(self, queue: str, group: str) -> None:
        """Delete a group. Raises OMSDestinationException 1404 when missing."""
        driver = await self._access_point.get_driver()
        await driver.delete_group(self._access_point.full(queue), group)

    async def list_delayed(self, queue: str, maximum: int = 100) -> list[DelayedInfo]:
        """At most so many messages of a queue that are not due yet, in the order of sending per partition.

        Raises OMSDestinationException 1404 when the queue is missing, OMSUnsupportException.
        """
        driver = await self._access_point.get_driver()
        if Capability.RECALL not in driver.capabilities:
            raise lacking(Capability.RECALL, "list_delayed")
        return await driver.list_delayed(self._access_point.full(queue), maximum)

    async def list_transactions(self) -> list[InDoubt]:
        """Prepared messages that wait for their decision, the oldest first. Raises OMSUnsupportException."""
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.TRANSACTIONS)
        return await driver.list_transactions()

    async def end_transaction(self, transaction_id: str, *, commit: bool) -> None:
        """Decide on a prepared message whose producer does not: deliver it, or drop it. Again is no error.

        Raises OMSTransactionException for the opposite of what was decided, and for one that is not known;
        OMSUnsupportException.
        """
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.TRANSACTIONS)
        await driver.end_transaction(transaction_id, commit)

    async def filter(self, queue: str, sql: str) -> None:
        """Let consumers of a queue, whatever their group, get only what matches an SQL condition; no text takes it
        away. It counts for all that is received from then on; what a group has passed over does not come back.

        Raises OMSDestinationException 1404 for a missing queue, OMSRuntimeException 1418 (field `filter`) with a mark
        below what is wrong in the text, OMSUnsupportException where the system has no filters.
        """
        driver = await self._access_point.get_driver()
        if Capability.FILTER not in driver.capabilities:
            raise lacking(Capability.FILTER, "filter")
        await driver.update_queue(self._access_point.full(queue), {"filter": sql.strip() or None})

    async def get_filter(self, queue: str) -> str | None:
        """The condition of a queue, None without one. Raises OMSDestinationException 1404 for a missing queue."""
        return (await self.describe_queue(queue)).config.get("filter") or None

    async def delete_filter(self, queue: str) -> None:
        """Take the condition of a queue away. Raises OMSDestinationException 1404 for a missing queue."""
        await self.filter(queue, "")

    async def list_filters(self, namespace: str | None = None) -> dict[str, str]:
        """Conditions by full queue name, of a namespace, by default the current one. Raises OMSDestinationException
        1405."""
        found = [(queue, await self.get_filter(queue)) for queue in sorted(await self.list_queues(namespace))]
        return {queue: sql for queue, sql in found if sql}
