"""Errors of RabbitMQ and of its client, as errors of this library."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiormq
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelClosed,
    ChannelInvalidStateError,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)

from openmessaging.model.errors import OMSRuntimeException, error

LOST = (ConnectionError, ChannelInvalidStateError, aiormq.exceptions.AMQPConnectionError, RuntimeError, TimeoutError)
"""What a call on a connection or channel that is gone raises; RuntimeError is how the client says "closed"."""
_LAST_WORDS = 1.0
"""Seconds that a call has to fail by itself when its channel has ended."""
T = TypeVar("T")
_NAMED = re.compile(r"no (?:exchange|queue) '([^']*)'")
_NEXT = {1404: "Create it, or leave auto_create on", 1418: "Delete what is there, or use another name"}


async def lived(owner: Any, work: Awaitable[T]) -> T:
    """Await what a connection or channel (`owner`) does.

    Raises ConnectionError when that ends meanwhile. The client itself makes a bare Exception of it, or the cancellation
    of whoever waits, or, where the call waits for room in its queue, nothing at all.
    """
    task = asyncio.ensure_future(work)
    closing = owner.closing
    try:
        await asyncio.wait((task, closing), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait((task,), timeout=_LAST_WORDS)
        if not task.done() or task.cancelled():
            raise ConnectionError("it was lost")
        failure = task.exception()
        if type(failure) is Exception:
            raise ConnectionError("it was lost") from failure
        return task.result()
    finally:
        task.cancel()
        closing.cancel()  # an observer of our own


def refused(name: str) -> OMSRuntimeException:
    """The error for an account that RabbitMQ does not let in."""
    return error(1401, f"RabbitMQ refuses {name}", next_step="Check the account and the attribute ACCOUNT_KEY")


def is_refusal(failure: BaseException) -> bool:
    """Whether RabbitMQ does not let the account in."""
    return isinstance(failure, AuthenticationError | ProbableAuthenticationError)


def missing_name(failure: BaseException) -> str | None:
    """The name of the exchange or queue that an error says is not there."""
    found = _NAMED.search(str(failure)) if isinstance(failure, ChannelNotFoundEntity) else None
    return found[1] if found else None


def translated(failure: BaseException, what: str) -> OMSRuntimeException:
    """The error of this library for one that RabbitMQ or its client gave; `what` was being done."""
    if isinstance(failure, OMSRuntimeException):
        return failure
    told = _translated(failure, f"{what}: {_text(failure)}")
    told.__cause__ = failure
    return told


def _translated(failure: BaseException, text: str) -> OMSRuntimeException:
    match failure:
        case ChannelNotFoundEntity():
            return error(1404, text, next_step=_NEXT[1404])
        case PublishError():
            return error(1404, f"{text} (no queue takes it)", next_step=_NEXT[1404])
        case DeliveryError():
            return error(1502, f"{text} (RabbitMQ did not take it)", next_step="Try later; look at the queue's policy")
        case ChannelAccessRefused():
            return error(1403, text, next_step="Give the user permissions on it (rabbitmqctl set_permissions)")
        case ChannelLockedResource():
            return error(1409, text, next_step="Another connection has it for itself")
        case ChannelPreconditionFailed():
            return error(1418, text, next_step=_NEXT[1418])
        case ChannelClosed():
            return error(1500, text, next_step="Look at RabbitMQ's log")
        case _ if isinstance(failure, LOST):
            return error(1503, text, next_step="Check that RabbitMQ is up and can be reached")
    return error(1500, text, next_step="Look at RabbitMQ's log")


def _text(failure: BaseException) -> str:
    if isinstance(failure, PublishError):
        return str(getattr(failure.frame, "reply_text", failure))
    return str(failure) or type(failure).__name__
