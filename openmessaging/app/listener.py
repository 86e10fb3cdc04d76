"""A listener: a function with its queue and settings, and how a message becomes a call of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec

from openmessaging.app.codec import Codec, Decode, decoder
from openmessaging.app.plan import APP, BODY, CONTEXT, MESSAGE, Call, Overrides, Planner
from openmessaging.app.rules import Rules
from openmessaging.app.signature import Parameter, Signature, bad, name_of, signature
from openmessaging.filters import compile_condition
from openmessaging.model.message import Message
from openmessaging.model.spi import Backoff
from openmessaging.runtime.context import ListenerContext
from openmessaging.runtime.verdict import Reject

if TYPE_CHECKING:
    from openmessaging.app.application import App

Handler = Callable[[Any, ListenerContext], Any]
"""What middleware wraps: called with a message (a list of them, in a batch) and its context, awaited."""
Middleware = Callable[[Handler], Handler]
"""Takes a handler and returns one around it."""
Watch = Callable[["Callee", Call], Call]
"""Puts something around a planned call, to record it."""


class Callee(msgspec.Struct, frozen=True, eq=False):
    """A function that is called with what arrives: a listener, or a service."""

    function: Callable[..., Any]
    queues: tuple[str, ...]
    group: str
    codec: Codec
    rules: Rules
    middleware: tuple[Middleware, ...]
    signature: Signature

    @property
    def name(self) -> str:
        """The function's name."""
        return name_of(self.function)

    @property
    def bodies(self) -> list[Parameter]:
        """The parameters that get the body: one gets all of it, several get its fields."""
        return [parameter for parameter in self.signature.parameters if _is_body(parameter)]

    @property
    def body(self) -> Any:
        """The type of the body; None when the function does not look at it."""
        bodies = self.bodies
        if len(bodies) > 1:
            return _fields(self.function, bodies)
        return bodies[0].kind if bodies else None

    def refusal(self, why: str) -> Exception:
        """What is raised for a message whose body cannot be read."""
        raise NotImplementedError


class Listener(Callee, frozen=True, eq=False):
    """A function that is called with messages. Made by `App.listener`, where the settings are described."""

    sends_to: str | None
    concurrency: int | None
    order: Literal["none", "key"]
    start: str
    filter: str | None
    retry: Backoff
    batch: int | None
    invisible_time: float
    max_processing: float

    @property
    def body(self) -> Any:
        """The type of the body, of one message in a batch."""
        kind = super().body
        return kind if self.batch is None or kind is None else (*get_args(kind), Any)[0]

    def refusal(self, why: str) -> Exception:
        """It becomes a dead letter."""
        return Reject(why)


def listener(function: Callable[..., Any], names: Mapping[str, Any] | None, **settings: Any) -> Listener:
    """Make a listener of a function. Raises OMSRuntimeException 1418 naming a parameter that cannot be passed, and for
    a condition that cannot be read."""
    made = Listener(function=function, signature=signature(function, names), **settings)
    if made.filter:
        compile_condition(made.filter)
    bodies = made.bodies
    if made.batch is not None:
        if len(bodies) > 1:
            raise bad(function, bodies[1].name, "a batch has one parameter for its bodies", "Take a list of structs")
        if bodies and get_origin(bodies[0].kind) is not list:
            raise bad(function, bodies[0].name, "a batch gets a list", "Annotate it as list[...]")
    decoder_of(made)  # a type that cannot be read is told here, not when the first message comes
    return made


def handler(of: Callee, app: App, overrides: Overrides, watch: Watch) -> Handler:
    """The planned way of a message into the function, with the middleware around it, the first outermost."""
    planner = Planner(_given, overrides)
    bodies = of.bodies
    arguments = []
    for parameter in of.signature.parameters:
        if _is_body(parameter):
            at = BODY if len(bodies) == 1 else planner.add(_field(parameter.name), ("body", BODY))
        else:
            found = planner.slot(of.function, parameter)
            if found is None:
                continue
            at = found
        arguments.append((parameter.name, at))
    call = watch(of, planner.call(of.function, tuple(arguments), app))
    decode = decoder_of(of)
    batch = isinstance(of, Listener) and of.batch is not None
    made = _batch(call, decode, of) if batch else _single(call, decode, of)
    for middleware in reversed((*app.middlewares, *of.middleware)):
        made = middleware(made)
    return made


def _single(call: Call, decode: Decode, of: Callee) -> Handler:
    async def handle(message: Message, context: ListenerContext) -> Any:
        try:
            body = decode(message.record.data)
        except Exception as failure:
            raise of.refusal(_unreadable(of, failure)) from failure
        return await call(body, message, context)

    return handle


def _batch(call: Call, decode: Decode, of: Callee) -> Handler:
    async def handle(messages: Sequence[Any], context: ListenerContext) -> Any:
        bodies, kept = [], []
        for message in messages:
            try:
                bodies.append(decode(message.record.data))
            except Exception as failure:
                context.reject(message, _unreadable(of, failure))
            else:
                kept.append(message)
        return await call(bodies, kept, context) if kept else None

    return handle


def _unreadable(of: Callee, failure: Exception) -> str:
    return f"{of.name} cannot read the body: {failure}"


def decoder_of(of: Callee) -> Decode:
    """How the bodies for it are read. Raises OMSRuntimeException 1418 for a type that cannot be read."""
    kind = of.body
    if kind is None:
        return _unread
    try:
        return decoder(of.codec, kind)
    except TypeError as cause:
        step = f"Use a type that {of.codec.content_type} bodies can be read as"
        raise bad(of.function, of.bodies[0].name, str(cause), step) from cause


def _unread(body: bytes) -> None:
    pass


def _field(name: str) -> Callable[..., Any]:
    return lambda body: getattr(body, name)


def _fields(function: Callable[..., Any], bodies: Sequence[Parameter]) -> type[msgspec.Struct]:
    """A struct of several parameters."""
    required = [(each.name, each.kind) for each in bodies if each.default is inspect.Parameter.empty]
    optional = [(each.name, each.kind, each.default) for each in bodies if each.default is not inspect.Parameter.empty]
    title = "".join(part.title() for part in name_of(function).split("_"))
    return msgspec.defstruct(f"{title}Body", [*required, *optional])


def _given(parameter: Parameter) -> int | None:
    """The slot of what is passed by type."""
    from openmessaging.app.application import App

    kind = parameter.kind
    if get_origin(kind) is list:
        kind = (*get_args(kind), Any)[0]
        return MESSAGE if isinstance(kind, type) and issubclass(kind, Message) else None
    if not isinstance(kind, type):
        return None
    for known, slot in ((Message, MESSAGE), (ListenerContext, CONTEXT), (App, APP)):
        if issubclass(kind, known):
            return slot
    return None


def _is_body(parameter: Parameter) -> bool:
    return parameter.depends is None and _given(parameter) is None
