"""How a consumer joins its group, the same on every queue it binds."""

from __future__ import annotations

import uuid

from openmessaging.model.spi import GroupConfig, SubscriptionSpec


class Membership:
    """Group name and settings of one consumer; a broadcast consumer gets a group of its own."""

    def __init__(self, group: str, config: GroupConfig, broadcast: bool, update: bool) -> None:
        self.group = f"{group}.{uuid.uuid4().hex}" if broadcast else group
        self.config = config
        self._broadcast = broadcast
        self._update = update

    def spec(self, queue: str) -> SubscriptionSpec:
        """What to ask the driver for, for a queue by full name."""
        return SubscriptionSpec(queue, self.group, self.config, self._broadcast, self._update)
