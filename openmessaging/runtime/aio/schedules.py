"""Schedules: messages that the store sends by itself, at intervals or by cron."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from openmessaging.model.errors import error
from openmessaging.model.key_value import PropertyValue
from openmessaging.model.schedule import ScheduleInfo
from openmessaging.model.spi import Capability
from openmessaging.runtime.aio.primitives import Driver
from openmessaging.runtime.required import require
from openmessaging.runtime.schedule import Rule, scheduled_message, spec_of

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint


class Schedules:
    """The part of the resource manager that has to do with schedules."""

    _access_point: AccessPoint

    async def create_schedule(
        self,
        name: str,
        queue: str,
        body: bytes,
        *,
        cron: str | None = None,
        every: float | None = None,
        growth: float | None = None,
        zone: str = "UTC",
        start: datetime | float | None = None,
        end: datetime | float | None = None,
        count: int | None = None,
        catch_up: int = 1_000,
        replace: bool = False,
        message_key: str | None = None,
        properties: dict[str, PropertyValue] | None = None,
        **headers: Any,
    ) -> ScheduleInfo:
        """Let a message be sent to a queue again and again, from now on and after every restart. Each has the
        properties `schedule.name` and `schedule.time`, the time (ms) at which it was to be sent.

        Args:
            name: of the schedule, as names of queues are.
            queue: bare or full name; it comes into being on first use.
            body: of each message, at most 64 KiB.
            cron: five fields (minute, hour, day of month, month, day of week) as Debian's cron reads them, or six, of
                which the first are seconds. It needs the extra `openmessaging[cron]`.
            every: instead of `cron`, seconds from one message to the next, from 0.1 to a century.
            growth: with `every`: each step is so many times the one before, 1.1 to 1,000, and at most a day. With
                `every=2, growth=2` messages come after 2, 4, 8, 16 … seconds, each counted from the one before.
            zone: whose clock `cron` means, such as `Europe/Berlin`.
            start: the first message of `every` (by default one interval from now), or a time before which `cron` sends
                nothing: a datetime (a naive one is local) or seconds since the epoch.
            end: no message is sent for a time after it.
            count: messages after which it is over.
            catch_up: messages that are late because the store was closed, or its clock was set forward, are sent as
                soon as it is open: the newest so many, at most 10,000. With 1 they collapse into one.
            replace: change the schedule of this name, if there is one; the same again changes nothing.
            message_key, properties, headers: of each message, as in `create_message`; no delay, expiry or partition.

        Raises OMSRuntimeException 1418 for a name that is taken, a rule that cannot be read or never occurs, and a
        number out of range; OMSDestinationException 1404, 1405, 1416 for the queue; OMSMessageFormatException for the
        message; OMSUnsupportException where the system has no schedules, or the extra is not installed.
        """
        message = scheduled_message(queue, body, message_key, properties, headers)
        rule = Rule(cron, every, zone, start, end, count, catch_up, growth)
        spec = spec_of(name, self._access_point.full(queue), message, rule)
        return await (await self._scheduling()).create_schedule(spec, replace)

    async def list_schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name; those that are over stay until they are deleted."""
        return await (await self._scheduling()).list_schedules()

    async def describe_schedule(self, name: str) -> ScheduleInfo:
        """When a schedule sends next, and what it has sent. Raises OMSDestinationException 1404."""
        for info in await self.list_schedules():
            if info.name == name:
                return info
        raise error(1404, f"there is no schedule {name}", next_step="See `oms schedule list`", field="name")

    async def pause_schedule(self, name: str) -> ScheduleInfo:
        """Let a schedule send nothing until it is resumed. Raises OMSDestinationException 1404."""
        return await (await self._scheduling()).pause_schedule(name, True)

    async def resume_schedule(self, name: str) -> ScheduleInfo:
        """Let a schedule go on with the next message from now; what it would have sent meanwhile is left out.

        Raises OMSDestinationException 1404.
        """
        return await (await self._scheduling()).pause_schedule(name, False)

    async def delete_schedule(self, name: str) -> None:
        """Delete a schedule; what it sent stays. Raises OMSDestinationException 1404."""
        await (await self._scheduling()).delete_schedule(name)

    async def _scheduling(self) -> Driver:
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.SCHEDULE)
        return driver
