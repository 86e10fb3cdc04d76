"""Names in paths and queries, and types that several modules of routes use."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from openmessaging.model.destination import DEFAULT_NAMESPACE, full_name
from openmessaging.server.http.request import Request

Namespace = Annotated[str, Meta(description="Where bare queue names lie.")]


class InNamespace(msgspec.Struct, forbid_unknown_fields=True):
    """A query that says where bare names lie."""

    namespace: Namespace = DEFAULT_NAMESPACE


def queue_of(request: Request) -> str:
    """The full name of the queue in the path. Raises OMSRuntimeException 1418."""
    namespace: str = getattr(request.query, "namespace", DEFAULT_NAMESPACE)
    return full_name(request.params["queue"], namespace)
