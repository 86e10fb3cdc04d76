"""Push by callback: registered by a request with a URL, stopped by one with an empty URL."""

from __future__ import annotations

from openmessaging.model.cloud_event_http import Mode
from openmessaging.model.errors import bad_format, unsupported
from openmessaging.server.http.binding import fields
from openmessaging.server.http.binding.consume import NEVER_CACHED, held
from openmessaging.server.http.binding.form import form_of
from openmessaging.server.http.callbacks.registry import Registration
from openmessaging.server.http.request import Request, Response


async def register(request: Request) -> Response:
    """Begin or stop. The hold on the group is asked for first: who may not receive may not have it received."""
    headers = request.headers
    await held(request)
    queue, group = fields.source(headers), fields.group(headers)
    callbacks = request.app.callbacks
    if callbacks is None:
        raise unsupported("callbacks", next_step="Have the operator set hosts and keys in [callbacks]")
    url = headers[fields.CALLBACK].strip()
    if not url:
        await callbacks.stop(queue, group)
        return Response(200, [NEVER_CACHED])
    form = form_of(headers)
    if form is Mode.BATCHED:
        raise bad_format("accept", "callbacks are one message each", next_step="Accept application/cloudevents+json")
    user = getattr(request.identity, "name", "")
    await callbacks.register(
        Registration(
            queue, group, url, fields.flag(headers, fields.ACK), "fields" if form is None else form.value, user
        )
    )
    return Response(200, [NEVER_CACHED])
