"""All cases of the kit."""

from __future__ import annotations

from openmessaging.conformance.case import Case, registered
from openmessaging.conformance.cases import (
    access_point,
    batch,
    broadcast,
    delay,
    errors,
    expiry,
    faults,
    filters,
    groups,
    interceptors,
    lifecycle,
    limits,
    model,
    one_way,
    order,
    priority,
    produce,
    pull,
    push,
    request_reply,
    resources,
    routing,
    security,
    settlement,
    shutdown,
    streaming,
    transactions,
)

MODULES = (
    *(model, access_point, lifecycle, produce, batch, one_way, pull, push, streaming, settlement, order, groups),
    *(broadcast, delay, expiry, priority, transactions, filters, routing, resources, interceptors, errors, limits),
    *(request_reply, security, shutdown, faults),
)
"""Where cases stand, a module per section."""


def all_cases() -> list[Case]:
    """All cases, in the order of sections."""
    return registered()
