"""What an app needs to be there when it starts: queues with settings, schedules."""

from __future__ import annotations

from typing import Any

from openmessaging.app.codec import Codec, encode
from openmessaging.model.errors import OMSDestinationException
from openmessaging.runtime.aio.access_point import AccessPoint


class Needs:
    """The part of an app that says what it needs."""

    codec: Codec

    def __init__(self) -> None:
        self.queues: dict[str, tuple[int, dict[str, Any]]] = {}
        """Partitions and settings of the queues that it makes; read when the app starts."""
        self.schedules: dict[str, tuple[str, bytes, dict[str, Any]]] = {}
        """Queues, bodies and settings of the schedules that it makes, by name; read when the app starts."""

    def queue(self, queue: str, partitions: int = 1, **settings: Any) -> None:
        """See to it that a queue is there with these settings (`oms.ResourceManager.create_queue`) when the app starts.

        A queue that is there gets the settings and keeps its partitions. Starting raises OMSRuntimeException 1418 for a
        wrong setting, naming it.
        """
        self.queues[queue] = (partitions, settings)

    def schedule(self, name: str, queue: str, value: Any, *, codec: Codec | None = None, **settings: Any) -> None:
        """See to it that a value is sent to a queue again and again, from the app's first start on, whether it runs or
        not. When the settings are others at a later start, they count from then on.

        Args:
            name: of the schedule.
            queue: where to.
            value: bytes and str go as they are, all else as the codec writes it.
            codec: None: the app's.
            settings: `cron`, or `every` in seconds, and what else `oms.ResourceManager.create_schedule` takes.

        Starting raises what that raises.
        """
        self.schedules[name] = (queue, encode(codec or self.codec, value), settings)

    async def provide(self, access_point: AccessPoint) -> None:
        """Make all of it."""
        manager = access_point.resource_manager()
        for queue, (partitions, settings) in self.queues.items():
            try:
                await manager.create_queue(queue, partitions, **settings)
            except OMSDestinationException as failure:
                if failure.code != 1406:
                    raise
                if settings:
                    await manager.update_queue(queue, **settings)
        for name, (queue, body, settings) in self.schedules.items():
            await manager.create_schedule(name, queue, body, replace=True, **settings)
