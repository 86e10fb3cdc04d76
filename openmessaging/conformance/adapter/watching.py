"""Interceptors that note what they see, and do what they were told."""

from __future__ import annotations

from itertools import count
from typing import Any

from openmessaging.model.message import Message
from openmessaging.runtime.interceptor import ConsumerInterceptor, InterceptContext, ProducerInterceptor

_order = count()


class Watch:
    """`settings`: `name`; `refuse`: raise in `pre`; `fail`: raise in `post`; `property`: a name and text to put in."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.name = str(settings.get("name", ""))
        self.events: list[list[str]] = []
        self._settings = settings

    def note(self, hook: str, message: Message, context: InterceptContext) -> None:
        """Write down, and raise if told so."""
        if hook == "pre":
            context.attributes.setdefault("seen", []).append(self.name)
            for name, text in self._settings.get("properties", {}).items():
                message.properties[name] = text
        seen = "+".join(context.attributes.get("seen", []))
        self.events.append([hook, self.name, message.data.decode(errors="replace"), str(next(_order)), seen])
        if self._settings.get("refuse") and hook == "pre":
            raise ValueError("refused by an interceptor")
        if self._settings.get("fail") and hook == "post":
            raise ValueError("failed after the fact")


class ProducerWatch(Watch, ProducerInterceptor):
    """Around sends."""

    def pre_send(self, message: Message, context: InterceptContext) -> None:
        """Before."""
        self.note("pre", message, context)

    def post_send(self, message: Message, context: InterceptContext) -> None:
        """After a success."""
        self.note("post", message, context)

    def on_error(self, message: Message, context: InterceptContext, error: BaseException) -> None:  # noqa: ARG002
        """After a failure."""
        self.note("error", message, context)


class ConsumerWatch(Watch, ConsumerInterceptor):
    """Around receives."""

    def pre_receive(self, message: Message, context: InterceptContext) -> None:
        """Before."""
        self.note("pre", message, context)

    def post_receive(self, message: Message, context: InterceptContext) -> None:
        """After a success."""
        self.note("post", message, context)

    def on_error(self, message: Message, context: InterceptContext, error: BaseException) -> None:  # noqa: ARG002
        """After a failure."""
        self.note("error", message, context)
