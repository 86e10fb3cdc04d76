"""The AsyncAPI 3.0 document of an app: its queues, what its listeners take and give, what it sends.

Source: AsyncAPI specification 3.0.0. An operation of action `receive` is a listener, one of action `send` a publisher;
a listener's result is its operation's reply. A service is an operation of action `receive`, and its reply goes to the
address in the request. What AsyncAPI has no word for stands in fields that begin with `x-oms-`.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.app.codec import Codec, is_pydantic
from openmessaging.app.signature import without_none
from openmessaging.model.access_point import parse
from openmessaging.model.mail import REPLY_TO

if TYPE_CHECKING:
    from openmessaging.app.application import App
    from openmessaging.app.listener import Listener
    from openmessaging.app.service import Service

REFERENCE = "#/components/schemas/{name}"


def document(app: App) -> dict[str, Any]:
    """The document of an app, which need not run. Raises OMSRuntimeException 10001 for an app with a bad URL."""
    return _Writer(app).document()


class _Writer:
    def __init__(self, app: App) -> None:
        self._app = app
        self._channels: dict[str, dict[str, Any]] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        self._messages: dict[str, dict[str, Any]] = {}
        self._schemas: dict[str, Any] = {}

    def document(self) -> dict[str, Any]:
        app = self._app
        for listener in app.listeners:
            for queue in listener.queues:
                self._listener(listener, queue)
        for service in app.services:
            self._service(service)
        for publisher in app.publishers:
            operation = {
                "action": "send",
                **self._exchange(publisher.queue, publisher.kind, publisher.codec),
                **_described(publisher.description),
            }
            self._operations[self._free(f"send-{publisher.queue}")] = operation
        return {
            "asyncapi": "3.0.0",
            "info": {"title": app.title, "version": app.version, **_described(app.description)},
            "defaultContentType": app.codec.content_type,
            "servers": self._servers(),
            "channels": self._channels,
            "operations": self._operations,
            "components": {"messages": self._messages, "schemas": self._schemas},
        }

    def _servers(self) -> dict[str, Any]:
        where = parse(self._app.url)
        hosts = [f"{host}:{port}" for host, port in where.addresses] or [where.driver]
        return {
            f"server-{number}": {"host": host, "protocol": f"oms-{where.driver}"}
            for number, host in enumerate(hosts, 1)
        }

    def _listener(self, listener: Listener, queue: str) -> None:
        operation = {
            "action": "receive",
            "summary": listener.name,
            **_described(inspect.getdoc(listener.function) or ""),
            **self._exchange(queue, Any if listener.body is None else listener.body, listener.codec),
            "x-oms-group": listener.group,
            "x-oms-order": listener.order,
            "x-oms-max-delivery": listener.retry.max_delivery,
        }
        if listener.filter:
            operation["x-oms-filter"] = listener.filter
        if listener.sends_to is not None:
            kind = without_none(listener.signature.result)
            if listener.batch is not None and hasattr(kind, "__args__"):
                kind = kind.__args__[0]
            operation["reply"] = self._exchange(listener.sends_to, kind, listener.codec)
        name = listener.name if len(listener.queues) == 1 else f"{listener.name}-{queue}"
        self._operations[self._free(name)] = operation

    def _service(self, service: Service) -> None:
        """A request with its reply; the requester's mailbox is known from the request only."""
        operation = {
            "action": "receive",
            "summary": service.name,
            **_described(inspect.getdoc(service.function) or ""),
            **self._exchange(service.queue, Any if service.body is None else service.body, service.codec),
            "x-oms-group": service.group,
            "reply": {
                "address": {"location": f"$message.header#/{REPLY_TO}"},
                **self._exchange(f"{service.queue}-reply", without_none(service.answer), service.codec, None),
            },
        }
        if service.streams:
            operation["x-oms-stream"] = True
        self._operations[self._free(service.name)] = operation

    def _exchange(self, queue: str, kind: Any, codec: Codec, address: str | None = "") -> dict[str, Any]:
        """The channel of a queue with a message of a type in it, as an operation refers to both; `address`: None where
        it is not known before."""
        channel = _identifier(queue)
        found = self._channels.setdefault(channel, {"address": queue if address == "" else address, "messages": {}})
        message = self._message(queue, kind, codec)
        found["messages"][message] = {"$ref": f"#/components/messages/{message}"}
        return {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
        }

    def _message(self, queue: str, kind: Any, codec: Codec) -> str:
        named = isinstance(kind, type) and kind.__module__ != "builtins"
        name = _identifier(kind.__name__ if named else f"{queue}-{_title(kind)}")
        content = {bytes: "application/octet-stream", str: "text/plain"}.get(kind, codec.content_type)
        self._messages[name] = {"name": name, "contentType": content, "payload": self._schema(kind)}
        return name

    def _schema(self, kind: Any) -> Any:
        if kind in (bytes, str):
            return {"type": "string"}
        if is_pydantic(kind):
            from pydantic import TypeAdapter

            schema = TypeAdapter(kind).json_schema(ref_template=REFERENCE.replace("name", "model"))
            self._schemas.update(schema.pop("$defs", {}))
            return schema
        (schema,), components = msgspec.json.schema_components([kind], ref_template=REFERENCE)
        self._schemas.update(components)
        return schema

    def _free(self, name: str) -> str:
        """An identifier for an operation that no other has."""
        wanted = _identifier(name)
        number = sum(re.fullmatch(rf"{re.escape(wanted)}(-\d+)?", each) is not None for each in self._operations)
        return f"{wanted}-{number + 1}" if number else wanted


def _identifier(name: str) -> str:
    return re.sub(r"[^\w.\-]+", "-", name).strip("-") or "-"


def _title(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")


def _described(text: str) -> dict[str, str]:
    return {"description": text} if text else {}
