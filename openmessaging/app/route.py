"""A route with a function: what a queue gets goes through the function to other queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from openmessaging.app.codec import encode
from openmessaging.app.listener import Callee, Watch, decoder_of, handler
from openmessaging.app.signature import bad, signature
from openmessaging.model.errors import OMSDestinationException, error
from openmessaging.model.message import Message
from openmessaging.model.routing import Operator, Transform
from openmessaging.model.spi import Backoff
from openmessaging.routing.text import read_operator
from openmessaging.runtime.aio.access_point import AccessPoint
from openmessaging.runtime.context import ListenerContext
from openmessaging.runtime.verdict import Reject

if TYPE_CHECKING:
    from openmessaging.app.application import App


class AppRoute(Callee, frozen=True, eq=False):
    """A function between queues. Made by `App.route`, where the settings are described."""

    title: str
    """Name of the route, and by which it calls the function."""
    targets: tuple[str, ...]
    operators: tuple[Operator | str, ...]
    start: str
    trace: bool
    retry: Backoff

    def refusal(self, why: str) -> Exception:
        """It becomes a dead letter of the route."""
        return Reject(why)

    async def provide(self, access_point: AccessPoint) -> None:
        """See to it that the route is there. Raises OMSDestinationException 1406 where it is another one."""
        manager = access_point.resource_manager()
        operators = [*(read_operator(each) if isinstance(each, str) else each for each in self.operators)]
        operators.append(Transform(self.title))
        (source,) = self.queues
        try:
            await manager.create_routing(
                self.title, source, self.targets, operators, start=self.start, trace=self.trace, backoff=self.retry
            )
        except OMSDestinationException as failure:
            if failure.code != 1406:
                raise
            there = (await manager.describe_routing(self.title)).route
            full = access_point.full
            wanted = full(source), [full(each) for each in self.targets], operators, self.trace, self.retry
            if (there.source, there.targets, there.operators, there.trace, there.backoff) != wanted:
                text = f"the route {self.title} is there with other settings"
                step = "Delete it (`oms route delete`), which gives up its place, or take another name"
                raise error(1406, text, next_step=step) from None


def route(function: Callable[..., Any], names: Mapping[str, Any] | None, **settings: Any) -> AppRoute:
    """Make a route of a function. Raises OMSRuntimeException 1418 naming a parameter that cannot be passed, and for an
    operator that cannot be read."""
    made = AppRoute(function=function, signature=signature(function, names), **settings)
    for parameter in made.signature.parameters:
        if isinstance(parameter.kind, type) and issubclass(parameter.kind, ListenerContext):
            raise bad(function, parameter.name, "a route has no such context", "Take an oms.Message")
    for operator in made.operators:
        if isinstance(operator, str):
            read_operator(operator)
    decoder_of(made)
    return made


def routing(made: AppRoute, app: App, watch: Watch) -> Callable[[Message], Any]:
    """What the router calls with a message."""
    handle = handler(made, app, app.dependency_overrides, watch)
    return partial(_routed, handle, made)


async def _routed(handle: Callable[..., Any], made: AppRoute, message: Message) -> Any:
    """A message goes on as it is, None nowhere, a list of messages as several; anything else is a new body."""
    result = await handle(message, None)
    if result is None or isinstance(result, Message):
        return result
    if isinstance(result, list | tuple) and all(isinstance(each, Message) for each in result):
        return result
    return encode(made.codec, result)
