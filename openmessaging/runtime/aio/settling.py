"""Messages that are delivered at most once (qos 1): settled, durably, before anybody gets them.

Source: specification 1.0.0, `qos` 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from openmessaging.model.batch import AT_MOST_ONCE, ATTRIBUTES_AT, is_at_most_once
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import Delivery
from openmessaging.runtime.aio.primitives import Subscription
from openmessaging.runtime.aio.received import ReceivedMessage, by_lease, received
from openmessaging.runtime.lease import Lease, Settler, leased


async def settle_first(messages: Sequence[ReceivedMessage]) -> list[ReceivedMessage]:
    """Settle those of qos 1 and return when that is on disk: the messages to be handed out, without those of which the
    lease is over, for another may have them. When it fails nobody gets any: the others go back uncounted.

    Raises OMSRuntimeException 1501 when it cannot be made durable, 1418 when it was found out afterwards that a lease
    was over.
    """
    once = [message for message in messages if is_at_most_once(message.record)]
    lost: set[Lease] = set()
    settlers: dict[Settler, None] = {}
    try:
        for lease, offsets in by_lease(once) if once else ():
            try:
                lease.ack(offsets)
                settlers[lease.settler] = None
            except OMSRuntimeException as failure:
                if failure.code not in (1404, 1418):
                    raise
                lost.add(lease)
        for settler in settlers:
            await cast("Subscription", settler).flush()
    except BaseException:
        for lease, offsets in by_lease(messages):
            lease.release(offsets)
        raise
    return [message for message in messages if message.lease not in lost or not is_at_most_once(message.record)]


async def settle_deliveries(subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
    """As `settle_first`, for who hands on deliveries as they are.

    Raises OMSRuntimeException 1418 when a lease is over already, 1501.
    """
    if any(delivery.data[ATTRIBUTES_AT] & AT_MOST_ONCE for delivery in deliveries):
        messages = [
            message for lease, delivery in leased(subscription, deliveries) for message in received(lease, delivery)
        ]
        if len(await settle_first(messages)) < len(messages):
            raise error(1418, "a lease ended before its messages could be settled", next_step="Receive again")


async def let_go(subscription: Subscription) -> None:
    """End a hold on a group once all its settlements are durable; those that came too late are in the log by now."""
    try:
        await subscription.flush()
    except OMSRuntimeException as failure:
        if failure.code != 1418:
            raise
    finally:
        await subscription.close()
