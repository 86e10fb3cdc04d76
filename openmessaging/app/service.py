"""A service: a function that answers requests, with its queue and settings."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from openmessaging.app.codec import encode
from openmessaging.app.listener import Callee, Watch, decoder_of, handler
from openmessaging.app.rules import judge
from openmessaging.app.signature import bad, signature
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.model.spi import Backoff
from openmessaging.runtime.context import ListenerContext
from openmessaging.runtime.rpc import Request
from openmessaging.runtime.verdict import Reject, Retry

if TYPE_CHECKING:
    from openmessaging.app.application import App


class Service(Callee, frozen=True, eq=False):
    """A function that answers requests. Made by `App.service`, where the settings are described."""

    concurrency: int
    retry: Backoff | None
    invisible_time: float

    @property
    def queue(self) -> str:
        """Where its requests lie."""
        return self.queues[0]

    @property
    def streams(self) -> bool:
        """Whether it answers with a stream: a generator."""
        return inspect.isasyncgenfunction(self.function) or inspect.isgeneratorfunction(self.function)

    @property
    def answer(self) -> Any:
        """The type of an answer; in a stream, of each item."""
        result = self.signature.result
        return (*get_args(result), Any)[0] if self.streams else result

    def refusal(self, why: str) -> Exception:
        """The requester is told."""
        return error(1400, why, next_step="Send a body of the type that the service reads")


def service(function: Callable[..., Any], names: Mapping[str, Any] | None, **settings: Any) -> Service:
    """Make a service of a function. Raises OMSRuntimeException 1418 naming a parameter that cannot be passed."""
    made = Service(function=function, signature=signature(function, names), **settings)
    for parameter in made.signature.parameters:
        if isinstance(parameter.kind, type) and issubclass(parameter.kind, ListenerContext):
            raise bad(function, parameter.name, "a service has no such context", "Take an oms.Request")
    decoder_of(made)  # a type that cannot be read is told here, not when the first request comes
    return made


def answering(of: Service, app: App, watch: Watch) -> Callable[[Request], Any]:
    """What the endpoint calls: the handler, then the rules, then the writing of the answer."""
    handle: Callable[[Request, Any], Any] = handler(of, app, app.dependency_overrides, watch)
    rules = (of.rules, app.rules)
    write = partial(_written, of)

    async def answer(request: Request) -> Any:
        try:
            result = await handle(request, None)
        except Exception as failure:
            result = await _judged(rules, failure, request)
        return _each(write, result) if inspect.isasyncgen(result) else write(result)

    return answer


async def _judged(rules: Any, failure: Exception, request: Request) -> Any:
    """What a rule makes of an exception; those that speak of redelivery have no meaning here."""
    try:
        return await judge(rules, failure, request)
    except (Reject, Retry):
        raise failure from None


def _written(of: Service, result: Any) -> Any:
    return result if result is None or isinstance(result, Message) else encode(of.codec, result)


async def _each(write: Callable[[Any], Any], items: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for item in items:
            yield write(item)
    finally:
        await items.aclose()  # type: ignore[attr-defined] # a generator
