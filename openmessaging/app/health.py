"""Whether an app is well, for those who ask from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from openmessaging.app.running import Running


class Health(msgspec.Struct, frozen=True):
    """An answer to both questions that orchestrators ask."""

    live: bool
    """Whether restarting it would not help: False when a listener receives no more, or a call takes too long."""
    ready: bool
    """Whether all listeners receive."""
    reasons: list[str]
    """What is wrong, empty when nothing is."""


def check(running: Running | None) -> Health:
    """The health of an app, None: of one that does not run."""
    if running is None or not running.ready:
        return Health(live=True, ready=False, reasons=["the app is starting, stopping or stopped"])
    reasons = [
        f"{listener.name}, {trouble}"
        for listener, consumer in running.consumers.items()
        for trouble in consumer.troubles()
    ]
    return Health(live=not reasons, ready=not reasons, reasons=reasons)
