"""What a listener may raise to say what becomes of its message; any other exception means: deliver it again."""

from __future__ import annotations


class Reject(Exception):
    """The message can never be handled: it goes to the dead-letter queue now, whatever deliveries it has left.

    Args:
        reason: what was wrong; stands in the property `dead-letter.reason`.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(Exception):
    """The message cannot be handled now: deliver it again.

    Args:
        delay: seconds until then; None: the group's back-off.
        reason: why; stands in `dead-letter.reason` if this was the last delivery.
    """

    def __init__(self, delay: float | None = None, reason: str = "") -> None:
        super().__init__(delay, reason)
        self.delay = delay
        self.reason = reason or "the listener asked for another delivery"
