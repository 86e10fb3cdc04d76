"""A driver that cannot do everything that the one under it can."""

from typing import Any

from openmessaging.model.spi import Capability


class Hiding:
    """Everything but one capability."""

    def __init__(self, near: Any, hidden: Capability) -> None:
        self.near = near
        self.capabilities = near.capabilities - {hidden}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.near, name)


def hide(access_point: Any, hidden: Capability) -> None:
    """Hide a capability of an access point's driver, which is open."""
    for scope in access_point._scopes.values():
        scope.driver = Hiding(scope.driver, hidden)
