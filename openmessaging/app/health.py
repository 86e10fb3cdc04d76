"""Whether an app is well, for those who ask from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from openmessaging.app.listener import Callee
    from openmessaging.app.running import Running
    from openmessaging.runtime.aio.push import PushConsumer
    from openmessaging.runtime.aio.service import ServiceEndpoint


class Health(msgspec.Struct, frozen=True):
    """An answer to both questions that orchestrators ask."""

    live: bool
    """Whether restarting it would not help: False when a listener, a service or a route receives no more, or a call
    takes too long."""
    ready: bool
    """Whether all of them receive."""
    reasons: list[str]
    """What is wrong, empty when nothing is."""


def check(running: Running | None) -> Health:
    """The health of an app, None: of one that does not run."""
    if running is None or not running.ready:
        return Health(live=True, ready=False, reasons=["the app is starting, stopping or stopped"])
    parts: list[tuple[Callee, PushConsumer | ServiceEndpoint]] = [
        *running.consumers.items(),
        *running.endpoints.items(),
    ]
    reasons = [f"{what.name}, {trouble}" for what, at_work in parts for trouble in at_work.troubles()]
    if running.router is not None:
        reasons += running.router.troubles()
    return Health(live=not reasons, ready=not reasons, reasons=reasons)
