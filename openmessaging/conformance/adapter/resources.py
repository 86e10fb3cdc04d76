"""The resource manager: namespaces, queues, groups, filters, routes, schedules, dead letters, tables."""

from __future__ import annotations

from typing import Any

from openmessaging.conformance.adapter.core import Core, as_bytes, as_document, as_json, as_message


class Resources(Core):
    """Operations of the resource manager."""

    def _manager(self, point: str) -> Any:
        return self.get(point).resource_manager()

    async def do_create_namespace(self, point: str, name: str) -> None:
        """Create a namespace."""
        await self._manager(point).create_namespace(name)

    async def do_delete_namespace(self, point: str, name: str) -> None:
        """Delete an empty one."""
        await self._manager(point).delete_namespace(name)

    async def do_switch_namespace(self, point: str, name: str) -> None:
        """Make it the access point's current one."""
        await self._manager(point).switch_namespace(name)

    async def do_list_namespaces(self, point: str) -> list[str]:
        """Names."""
        return sorted(await self._manager(point).list_namespaces())

    async def do_create_queue(
        self, point: str, queue: str, partitions: int = 1, config: dict[str, Any] | None = None
    ) -> None:
        """Create a queue."""
        await self._manager(point).create_queue(queue, partitions, **(config or {}))

    async def do_update_queue(self, point: str, queue: str, config: dict[str, Any]) -> None:
        """Change its settings."""
        await self._manager(point).update_queue(queue, **config)

    async def do_delete_queue(self, point: str, queue: str) -> None:
        """Delete it with what belongs to it."""
        await self._manager(point).delete_queue(queue)

    async def do_purge_queue(self, point: str, queue: str) -> int:
        """Drop its messages; returns how many."""
        return int(await self._manager(point).purge_queue(queue))

    async def do_list_queues(self, point: str, namespace: str | None = None) -> list[str]:
        """Full names."""
        return sorted(await self._manager(point).list_queues(namespace))

    async def do_describe_queue(self, point: str, queue: str) -> dict[str, Any]:
        """What a queue is."""
        found: dict[str, Any] = as_json(await self._manager(point).describe_queue(queue))
        return found

    async def do_list_groups(self, point: str, queue: str | None = None) -> list[str]:
        """Names of groups."""
        return sorted(each.name for each in await self._manager(point).list_groups(queue))

    async def do_describe_group(self, point: str, queue: str, group: str) -> dict[str, Any]:
        """What a group is."""
        found: dict[str, Any] = as_json(await self._manager(point).describe_group(queue, group))
        return found

    async def do_delete_group(self, point: str, queue: str, group: str) -> None:
        """Delete a group."""
        await self._manager(point).delete_group(queue, group)

    async def do_seek_group(self, point: str, queue: str, group: str, to: str) -> None:
        """Move a group."""
        await self._manager(point).seek_group(queue, group, to)

    async def do_list_delayed(self, point: str, queue: str) -> list[str]:
        """Ids of messages that are not due."""
        return [each.message_id for each in await self._manager(point).list_delayed(queue)]

    async def do_filter(self, point: str, queue: str, sql: str) -> None:
        """Filter a queue."""
        await self._manager(point).filter(queue, sql)

    async def do_get_filter(self, point: str, queue: str) -> str | None:
        """Its condition."""
        found: str | None = await self._manager(point).get_filter(queue)
        return found

    async def do_routing(self, point: str, source: str, target: str) -> None:
        """Duplicate what a queue gets."""
        await self._manager(point).routing(source, target)

    async def do_create_routing(
        self, point: str, name: str, source: str, targets: list[str], operators: list[str] | None = None
    ) -> None:
        """A route with operators."""
        await self._manager(point).create_routing(name, source, targets, operators or [])

    async def do_delete_routing(self, point: str, name: str) -> None:
        """Remove it."""
        await self._manager(point).delete_routing(name)

    async def do_list_routings(self, point: str) -> list[str]:
        """Full names of routes."""
        return sorted(each.route.name for each in await self._manager(point).list_routings())

    async def do_peek(self, point: str, queue: str, group: str, max_messages: int = 10) -> list[dict[str, Any]]:
        """What a group would get next."""
        return [as_document(each) for each in await self._manager(point).peek(queue, group, max_messages)]

    async def do_browse(self, point: str, queue: str, start: str = "earliest") -> list[dict[str, Any]]:
        """What a queue holds."""
        return [as_document(each) async for each in self._manager(point).browse(queue, start=start)]

    async def do_copy_queue(self, point: str, queue: str, target: str) -> None:
        """Copy what a queue holds."""
        await self._manager(point).copy_queue(queue, target)

    async def do_dead_letters(self, point: str, queue: str, group: str) -> list[dict[str, Any]]:
        """What failed too often."""
        return [as_document(each) for each in await self._manager(point).dead_letters(queue, group)]

    async def do_redrive(self, point: str, queue: str, group: str) -> int:
        """Send dead letters back; returns how many."""
        return int((await self._manager(point).redrive(queue, group)).redriven)

    async def do_create_schedule(
        self,
        point: str,
        name: str,
        queue: str,
        data: str,
        every: float | None = None,
        cron: str | None = None,
        count: int | None = None,
    ) -> None:
        """Let a message be sent again and again."""
        await self._manager(point).create_schedule(name, queue, as_bytes(data), every=every, cron=cron, count=count)

    async def do_list_schedules(self, point: str) -> list[str]:
        """Names."""
        return [each.name for each in await self._manager(point).list_schedules()]

    async def do_pause_schedule(self, point: str, name: str) -> None:
        """Let it send nothing."""
        await self._manager(point).pause_schedule(name)

    async def do_delete_schedule(self, point: str, name: str) -> None:
        """Delete it."""
        await self._manager(point).delete_schedule(name)

    async def do_table(self, point: str, queue: str) -> dict[str, str | None]:
        """Body, as text, of the newest message of each key."""
        return {each.message_key: each.data.decode() async for each in self.get(point).table(queue)}

    async def do_explain(self, point: str, queue: str, message: dict[str, Any]) -> list[str]:
        """Names of routes that would look at a message."""
        found = await self._manager(point).explain_routing(queue, as_message(message))
        return [each.route for each in found]
