"""Names in paths and queries, and types that several modules of routes use."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from openmessaging.model.destination import DEFAULT_NAMESPACE, full_name
from openmessaging.runtime.aio.resources import ResourceManager
from openmessaging.server.http.problem import HttpError
from openmessaging.server.http.request import Request
from openmessaging.server.http.sharing import Face

Namespace = Annotated[str, Meta(description="Where bare queue names lie.")]


class InNamespace(msgspec.Struct, forbid_unknown_fields=True):
    """A query that says where bare names lie."""

    namespace: Namespace = DEFAULT_NAMESPACE


def queue_of(request: Request) -> str:
    """The full name of the queue in the path. Raises OMSRuntimeException 1418."""
    namespace: str = getattr(request.query, "namespace", DEFAULT_NAMESPACE)
    return full_name(request.params["queue"], namespace)


def face_of(request: Request) -> Face:
    """The runtime's interface on what the client may use, with the namespace of the query as the current one."""
    return Face(request.driver, getattr(request.query, "namespace", DEFAULT_NAMESPACE))


def resources_of(request: Request) -> ResourceManager:
    """The resource manager on what the client may use."""
    return face_of(request).resource_manager()


def no_longer(what: str) -> HttpError:
    """The error (409) for something that is too late."""
    return HttpError(409, 1400, what, next_step="It was delivered, cancelled, or never there")
