"""The trace context that a message carries in its properties (W3C Trace Context: `traceparent`, `tracestate`).

Imports OpenTelemetry: the extra `otel`.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import propagate
from opentelemetry.context import Context


def context_in(properties: Mapping[str, object] | None) -> Context:
    """The context in properties, whatever else somebody may have put there under its names; empty without one."""
    if not properties:
        return Context()
    fields = propagate.get_global_textmap().fields
    carrier = {name: value for name in fields if isinstance(value := properties.get(name), str)}
    return propagate.extract(carrier, Context())
