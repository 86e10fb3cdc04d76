"""What becomes of messages when a channel ends: RabbitMQ says why, in words."""

import pytest
from aiormq.exceptions import (
    AMQPConnectionError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from openmessaging.drivers.rabbitmq.messages import Properties
from openmessaging.drivers.rabbitmq.publisher import Post, fate

TOO_LARGE = "PRECONDITION_FAILED - message size 5 is larger than configured max size 4"


@pytest.mark.parametrize(
    ("failure", "mine", "others"),
    [
        (ChannelNotFoundEntity("NOT_FOUND - no exchange 'orders' in vhost '/'"), 1404, None),
        (ChannelPreconditionFailed(TOO_LARGE), 1413, None),
        (ChannelAccessRefused("ACCESS_REFUSED - write access to exchange"), 1403, 1403),
        (AMQPConnectionError("reset"), None, None),
        (ChannelInvalidStateError("closed"), None, None),
    ],
)
def test_only_what_was_at_fault_fails(failure: Exception, mine: int | None, others: int | None) -> None:
    codes = []
    for post in (Post("orders", "0", Properties(), b"12345"), Post("other", "0", Properties(), b"1")):
        told = fate(post, failure)
        codes.append(told and told.code)
    assert codes == [mine, others]
