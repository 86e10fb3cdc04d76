# Generated from openmessaging/runtime/aio/extension.py by scripts/unasync.py: change that file instead.
"""What a provider may offer beyond the required calls. Source: runtime interface 1.0.0, "extension"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openmessaging.runtime.metadata import QueueMetaData

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint


class Extension:
    """Reached by `get_extension` of a producer or consumer."""

    def __init__(self, access_point: AccessPoint) -> None:
        self._access_point = access_point

    def get_queue_meta_data(self, queue: str) -> list[QueueMetaData]:
        """One entry per partition. Raises OMSDestinationException 1404 when the queue is missing."""
        driver = self._access_point.get_driver()
        info = driver.describe_queue(self._access_point.full(queue))
        return [
            QueueMetaData(info.name, partition, first, following)
            for partition, (first, following) in enumerate(info.offsets)
        ]
