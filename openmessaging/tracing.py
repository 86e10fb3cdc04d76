"""OpenTelemetry traces that go with messages: from who sends, through the store, to who handles them, in any process.

`instrument()` once, and every producer and consumer made from then on takes part. A message carries its context as W3C
`traceparent` and `tracestate` in its properties, which stay with it through retries, delays, routes and dead letters;
the header `traceId` says the trace's id. Needs the extra `otel`; where no SDK is set up nothing is recorded, and
contexts are passed on all the same.

Source: OpenTelemetry semantic conventions for messaging spans; W3C Trace Context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.runtime.interceptor import (
    ConsumerInterceptor,
    InterceptContext,
    ProducerInterceptor,
    Reception,
    everywhere,
)

try:
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

    from openmessaging.model.trace_context import context_in
except ImportError as cause:
    raise error(1418, "traces need OpenTelemetry", next_step='Install it: pip install "openmessaging[otel]"') from cause

SYSTEM = "openmessaging"
_SPAN = "openmessaging.tracing"


class ProducerTracing(ProducerInterceptor):
    """A span for each message that is sent, until it is stored; the message carries its context."""

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = _tracer(tracer_provider)

    def pre_send(self, message: Message, context: InterceptContext) -> None:
        """Start the span, within the current one; without one, where the message says that it comes from."""
        within = None if trace.get_current_span().get_span_context().is_valid else context_of(message)
        span = self._tracer.start_span(
            f"send {_shown(message.destination)}",
            within,
            SpanKind.PRODUCER,
            {**_attributes("send", _shown(message.destination)), **_about(message)},
        )
        carrier: dict[str, str] = {}
        propagate.inject(carrier, trace.set_span_in_context(span))
        message.properties.update(carrier)
        if message.get_header("traceId") is None and span.get_span_context().is_valid:
            message.set_header("traceId", trace.format_trace_id(span.get_span_context().trace_id))
        context.attributes[_SPAN] = span

    def post_send(self, message: Message, context: InterceptContext) -> None:
        """It is stored."""
        span: Span = context.attributes[_SPAN]
        if span.is_recording():
            span.set_attributes(_about(message))
        span.end()

    def on_error(self, message: Message, context: InterceptContext, error: BaseException) -> None:  # noqa: ARG002
        """It is not."""
        span: Span | None = context.attributes.get(_SPAN)  # None: what failed is a hook before this one's
        if span is not None:
            _failed(span, error)
            span.end()


class ConsumerTracing(ConsumerInterceptor):
    """A span for each call of a listener or service, and for each receive, with a link to each of its messages."""

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = _tracer(tracer_provider)

    def around(self, reception: Reception) -> AbstractContextManager[object]:
        """The span, which is the current one meanwhile."""
        return _handling(self._tracer, reception.operation, reception.messages, reception.group)

    def on_error(self, message: Message, context: InterceptContext, error: BaseException) -> None:  # noqa: ARG002
        """The call failed, as a whole or for this message."""
        _failed(trace.get_current_span(), error)


def instrument(tracer_provider: TracerProvider | None = None) -> None:
    """Let every producer, consumer, service and app that is made from now on take part; doing it twice is once.

    Args:
        tracer_provider: where spans go; None: the process's own.
    """
    uninstrument()
    everywhere[0].append(ProducerTracing(tracer_provider))
    everywhere[1].append(ConsumerTracing(tracer_provider))


def uninstrument() -> None:
    """End what `instrument` began, for what is made from now on."""
    everywhere[0][:] = [each for each in everywhere[0] if not isinstance(each, ProducerTracing)]
    everywhere[1][:] = [each for each in everywhere[1] if not isinstance(each, ConsumerTracing)]


def processing(
    messages: Message | Sequence[Message], tracer_provider: TracerProvider | None = None
) -> AbstractContextManager[Span]:
    """A span around the handling of messages that a pull consumer gave: `with processing(message): …`. What is sent
    meanwhile belongs to it; an exception makes it a failed one."""
    several = [messages] if isinstance(messages, Message) else messages
    return _handling(_tracer(tracer_provider), "process", several, None)


def context_of(message: Message) -> Context:
    """The context that a message carries; an empty one when it carries none."""
    return context_in(message.record.properties)


@contextmanager
def _handling(tracer: Tracer, operation: str, messages: Sequence[Message], group: str | None) -> Iterator[Span]:
    """A span for messages: of one message, the same trace goes on; of several, each is linked to."""
    contexts = [context_of(message) for message in messages]
    sources = [trace.get_current_span(each).get_span_context() for each in contexts]
    links = [
        Link(source, _about(message)) for source, message in zip(sources, messages, strict=True) if source.is_valid
    ]
    queues = {_shown(message.destination) for message in messages}
    attributes = _attributes(operation, queues.pop() if len(queues) == 1 else None)
    if group is not None:
        attributes["messaging.consumer.group.name"] = group
    if len(messages) == 1:
        attributes |= _about(messages[0])
    else:
        attributes["messaging.batch.message_count"] = len(messages)
    name = f"{operation} {attributes.get('messaging.destination.name', '(several)')}"
    alone = contexts[0] if len(messages) == 1 and links else None
    kind = SpanKind.CONSUMER if operation == "process" else SpanKind.CLIENT
    with tracer.start_as_current_span(name, alone, kind, attributes, links) as span:
        yield span


def _tracer(provider: TracerProvider | None) -> Tracer:
    return trace.get_tracer("openmessaging", tracer_provider=provider)


def _shown(queue: str) -> str:
    """A queue as it is written where its namespace is the default one: senders give bare names."""
    return queue.removeprefix(f"{DEFAULT_NAMESPACE}://")


def _attributes(operation: str, queue: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }
    if queue is not None:
        found["messaging.destination.name"] = queue
    return found


_HEADERS = {
    "messageId": "messaging.message.id",
    "correlationId": "messaging.message.conversation_id",
    "partition": "messaging.destination.partition.id",
    "offset": "openmessaging.message.offset",
    "deliveryCount": "openmessaging.message.delivery_count",
}


def _about(message: Message) -> dict[str, Any]:
    """What is known of a message; never its key, its properties or its body."""
    found: dict[str, Any] = {"messaging.message.body.size": len(message.data)}
    for header, attribute in _HEADERS.items():
        value = message.get_header(header)
        if value is not None:
            found[attribute] = str(value) if header == "partition" else value
    return found


def _failed(span: Span, failure: BaseException) -> None:
    code = getattr(failure, "code", None)
    span.set_attribute("error.type", type(failure).__name__ if code is None else str(code))
    span.record_exception(failure)
    span.set_status(Status(StatusCode.ERROR, str(failure)))
