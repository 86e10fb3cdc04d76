"""What a dead letter says of its death: properties that begin with `dead-letter.`, the same in every system."""

from __future__ import annotations

from openmessaging.model.key_value import PropertyValue

PREFIX = "dead-letter."
"""First characters of the properties that a dead letter gains."""
REDRIVES = f"{PREFIX}redrives"
"""Property that counts how often a message was sent back."""
_REASON_CHARACTERS = 1_000


def queue_of(queue: str, group: str) -> str:
    """Full name of the queue that gets a group's dead letters, of the full name of the queue they come from."""
    return f"{queue}.{group}.dead-letter"


def gained(
    reason: str, queue: str, group: str, partition: int, attempt: int, now_ms: int, offset: int | None
) -> dict[str, PropertyValue]:
    """The properties that a message gains: why it died, where it lay (`offset` None: nobody knows), after how many
    deliveries, and when."""
    facts: dict[str, PropertyValue] = {
        f"{PREFIX}reason": reason[:_REASON_CHARACTERS],
        f"{PREFIX}queue": queue,
        f"{PREFIX}group": group,
        f"{PREFIX}partition": partition,
        f"{PREFIX}delivery-count": attempt,
        f"{PREFIX}time": now_ms,
    }
    if offset is not None:
        facts[f"{PREFIX}offset"] = offset
    return facts
