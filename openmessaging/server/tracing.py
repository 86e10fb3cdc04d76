"""The broker's part of traces: a span from the arrival of messages until they are stored.

Only messages that carry a context have one. Of one such message the span is a part of its trace; of several it links to
each of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from openmessaging.model.batch import decode
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import error
from openmessaging.model.spi import Done, OutgoingBatch, Placement
from openmessaging.model.transaction import Settlement
from openmessaging.server.served import Driver

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer

_DEFAULT = f"{DEFAULT_NAMESPACE}://"
_MOST_LINKS = 128
"""What the SDK keeps of them."""


class TracingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Spans of the server. Clients have their own; what their messages carry goes through in any case."""

    exporter: Literal["none", "otlp", "console"] = "none"
    """`otlp`: to a collector, by the variables `OTEL_EXPORTER_OTLP_…` of OpenTelemetry; needs `opentelemetry-sdk` and
    `opentelemetry-exporter-otlp-proto-http`. `console`: JSON to standard output, to try it."""
    service_name: str = "openmessaging"
    """The resource's `service.name`."""


class TracedDriver:
    """A driver whose sends have spans; in all else the driver that it is given.

    Args:
        driver: what stores.
        tracer: where spans begin.
    """

    def __init__(self, driver: Driver, tracer: Tracer) -> None:
        from opentelemetry import trace

        from openmessaging.model.trace_context import context_in

        self._trace = trace
        self._context_in = context_in
        self._driver = driver
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none."""
        with self._within(self._span(batches)):
            return await self._driver.send(batches)

    async def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, or do none of it."""
        with self._within(self._span(batches)):
            return await self._driver.commit(batches, settlements)

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over; `done` is called when it is durable."""
        span = self._span((batch,))
        if span is None:
            self._driver.submit(batch, done)
            return

        def ended(placement: Placement | None, failure: BaseException | None) -> None:
            if failure is not None:
                span.record_exception(failure)
                span.set_status(self._trace.StatusCode.ERROR, str(failure))
            span.end()
            done(placement, failure)

        self._driver.submit(batch, ended)

    def send_now(self, batch: OutgoingBatch) -> Placement | None:
        """Store one batch within the call, if it has no span to be waited for."""
        return None if self._sources((batch,)) else self._driver.send_now(batch)

    def _within(self, span: Span | None) -> AbstractContextManager[object]:
        return nullcontext() if span is None else self._trace.use_span(span, end_on_exit=True)

    def _sources(self, batches: Sequence[OutgoingBatch]) -> list[tuple[Context, SpanContext]]:
        """The contexts that messages carry."""
        found: dict[int, tuple[Context, SpanContext]] = {}
        for outgoing in batches:
            for record in decode(outgoing.batch.head + outgoing.batch.payload)[2]:
                context = self._context_in(record.properties)
                source = self._trace.get_current_span(context).get_span_context()
                if source.is_valid and len(found) < _MOST_LINKS:
                    found.setdefault(source.span_id, (context, source))
        return list(found.values())

    def _span(self, batches: Sequence[OutgoingBatch]) -> Span | None:
        contexts = self._sources(batches)
        if not contexts:
            return None
        queues = {outgoing.destination.removeprefix(_DEFAULT) for outgoing in batches}
        attributes: dict[str, Any] = {
            "messaging.system": "openmessaging",
            "messaging.operation.name": "store",
            "messaging.batch.message_count": sum(outgoing.batch.count for outgoing in batches),
        }
        shown = queues.pop() if len(queues) == 1 else "(several)"
        if not queues:
            attributes["messaging.destination.name"] = shown
        return self._tracer.start_span(
            f"store {shown}",
            contexts[0][0] if len(contexts) == 1 else self._context_in(None),
            self._trace.SpanKind.SERVER,
            attributes,
            [self._trace.Link(source) for _, source in contexts],
        )


class Tracing(msgspec.Struct, frozen=True):
    """Where the spans of a server go."""

    tracer: Any
    close: Callable[[], object]
    """Exports what is left; waits for it."""


def opened(section: TracingSection) -> Tracing | None:
    """What a configuration asks for. Raises OMSRuntimeException 1418 when what it takes is not installed."""
    if section.exporter == "none":
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

        exporter: SpanExporter
        if section.exporter == "otlp":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
        else:
            exporter = ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: span.to_json(indent=None) + "\n")
    except ImportError as cause:
        step = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        raise error(1418, f"tracing.exporter: {cause}", next_step=step, field="tracing.exporter") from cause
    provider = TracerProvider(resource=Resource.create({"service.name": section.service_name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider.get_tracer("openmessaging.server"), provider.shutdown)
