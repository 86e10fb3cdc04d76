"""Interceptors: code of the user around sending and receiving, the same objects on both faces.

`pre` hooks run in the order of adding, `post` and `on_error` hooks in reverse. A raise in `pre` stops the send (or
fails the delivery); one in `post` or `on_error` is logged. Hooks are plain functions and must not block.

Source: runtime interface, "interceptors"; `on_error` and the order are this project's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Literal, TypeVar

import msgspec

from openmessaging.model.message import Message

logger = logging.getLogger("openmessaging")
I = TypeVar("I")  # noqa: E741 - the kind of interceptor
NOTHING = nullcontext()
"""Around what nobody wants to be around."""


class InterceptContext:
    """What the hooks of one message share; `attributes` is the user's own, from `pre` to `post`."""

    __slots__ = ("attributes",)

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}


class ProducerInterceptor:
    """Root of producer interceptors; override what is wanted."""

    def pre_send(self, message: Message, context: InterceptContext) -> None:
        """Before the message is encoded; may change it."""

    def post_send(self, message: Message, context: InterceptContext) -> None:
        """After a successful send; the message has the provider's values."""

    def on_error(self, message: Message, context: InterceptContext, error: BaseException) -> None:
        """After a failed send."""


class Reception(msgspec.Struct, frozen=True):
    """What a consumer is about to do with messages."""

    operation: Literal["receive", "process"]
    """`process`: a listener or service is called with them; `receive`: a pull consumer hands them out."""
    messages: Sequence[Message]
    group: str
    """The consumer group."""


class ConsumerInterceptor:
    """Root of consumer interceptors; override what is wanted."""

    def around(self, reception: Reception) -> AbstractContextManager[object]:  # noqa: ARG002
        """Entered once for all messages of a call, before their other hooks, and left after those: for what has to
        surround the listener, in its task or thread."""
        return NOTHING

    def pre_receive(self, message: Message, context: InterceptContext) -> None:
        """Before the listener, or before a pull consumer hands the message out."""

    def post_receive(self, message: Message, context: InterceptContext) -> None:
        """After the listener returned, or right after `pre_receive` of a pull consumer."""

    def on_error(self, message: Message, context: InterceptContext, error: BaseException) -> None:
        """After the listener, or a `pre_receive`, raised."""


def around(
    interceptors: Sequence[ConsumerInterceptor],
    operation: Literal["receive", "process"],
    messages: Sequence[Message],
    group: str,
) -> AbstractContextManager[object]:
    """What interceptors put around a call."""
    if not interceptors:
        return NOTHING
    reception = Reception(operation, messages, group)
    stack = ExitStack()
    try:
        for interceptor in interceptors:
            stack.enter_context(interceptor.around(reception))
    except BaseException:
        stack.close()
        raise
    return stack


def run_pre(interceptors: Sequence[I], hook: Callable[[I], Any], message: Message) -> InterceptContext:
    """Run the `pre` hooks of a message in order; raises what one raises."""
    context = InterceptContext()
    for interceptor in interceptors:
        hook(interceptor)(message, context)
    return context


def run_post(interceptors: Sequence[I], hook: Callable[[I], Any], *arguments: Any) -> None:
    """Run the `post` or `on_error` hooks in reverse; what one raises is logged."""
    for interceptor in reversed(interceptors):
        try:
            hook(interceptor)(*arguments)
        except Exception:
            logger.exception("interceptor %r failed after the fact", interceptor)


everywhere: tuple[list[ProducerInterceptor], list[ConsumerInterceptor]] = ([], [])
"""What every producer and every consumer that is made from now on begins with."""
