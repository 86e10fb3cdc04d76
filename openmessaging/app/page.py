"""An AsyncAPI document as a page: one file, no scripts, nothing fetched, so that it can be read anywhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

REFERENCE = "#/components/schemas/"
SCHEMA = "schema-"
"""Before the name of a schema in its place on the page: an operation may have the same name."""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
section { border: 1px solid #ddd; border-radius: .5rem; padding: .25rem 1rem 1rem; margin: 1rem 0; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: #f6f6f6; padding: .75rem; border-radius: .375rem; overflow: auto; }
td, th { text-align: left; padding: .15rem 1.5rem .15rem 0; vertical-align: top; }
a { color: #2b6cb0; }
.action { color: #fff; border-radius: .25rem; padding: .1rem .5rem; font-size: .85rem; background: #2b6cb0; }
.send { background: #2f855a; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } section { border-color: #444; } pre { background: #222; }
  a { color: #7db3e8; }
}
"""


def page(document: dict[str, Any]) -> str:
    """The page of a document that `openmessaging.app.asyncapi` wrote."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        _paragraph(info.get("description", "")),
        "<h2>Queues</h2>",
        _queues(document),
        "<h2>Operations</h2>",
        *(_operation(document, name, operation) for name, operation in document["operations"].items()),
        "<h2>Schemas</h2>",
        *(
            f'<section id="{SCHEMA}{escape(name)}"><h3>{escape(name)}</h3>{_code(schema)}</section>'
            for name, schema in document["components"]["schemas"].items()
        ),
    ]
    head = f'<meta charset="utf-8"><title>{escape(info["title"])}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _queues(document: dict[str, Any]) -> str:
    """A row per queue: what the app has that sends to it, and what receives from it."""
    sides: dict[str, tuple[list[str], list[str]]] = {}
    for name, operation in document["operations"].items():
        link = f'<a href="#operation-{escape(name)}">{escape(name)}</a>'
        here = sides.setdefault(_resolve(document, operation["channel"])["address"], ([], []))
        here[operation["action"] == "receive"].append(link)
        target = _resolve(document, operation["reply"]["channel"])["address"] if "reply" in operation else None
        if target is not None:
            sides.setdefault(target, ([], []))[0].append(link)
    rows = (
        f"<tr><td><code>{escape(queue)}</code></td><td>{', '.join(senders)}</td><td>{', '.join(receivers)}</td></tr>"
        for queue, (senders, receivers) in sides.items()
    )
    return f"<table><tr><th>queue</th><th>from</th><th>to</th></tr>{''.join(rows)}</table>"


def _operation(document: dict[str, Any], name: str, operation: dict[str, Any]) -> str:
    action = operation["action"]
    queue = _resolve(document, operation["channel"])["address"]
    lines = [
        f'<h3 id="operation-{escape(name)}">{escape(name)}</h3>',
        f'<p><span class="action {action}">{action}</span> <code>{escape(queue)}</code>',
    ]
    if "x-oms-group" in operation:
        lines.append(f" in group <code>{escape(operation['x-oms-group'])}</code>")
    if operation.get("x-oms-order") == "key":
        lines.append(", in the order of each key")
    if "x-oms-filter" in operation:
        lines.append(f", only <code>{escape(operation['x-oms-filter'])}</code>")
    lines.append(f"</p>{_paragraph(operation.get('description', ''))}")
    lines += [_message(document, reference) for reference in operation["messages"]]
    reply = operation.get("reply")
    if reply is not None:
        target = _resolve(document, reply["channel"])["address"]
        if target is None:
            lines.append("<p>Whoever asks is answered:</p>")
        else:
            lines.append(f"<p>The result goes to <code>{escape(target)}</code>:</p>")
        lines += [_message(document, reference) for reference in reply["messages"]]
    return f"<section>{''.join(lines)}</section>"


def _message(document: dict[str, Any], reference: dict[str, str]) -> str:
    message = _resolve(document, _resolve(document, reference))
    payload, content = message["payload"], escape(message["contentType"])
    if not payload:
        return "<p>any body</p>"
    if payload.keys() == {"$ref"}:
        schema = escape(payload["$ref"].removeprefix(REFERENCE))
        return f'<p><a href="#{SCHEMA}{schema}"><code>{schema}</code></a>, {content}</p>'
    return f"<p><code>{escape(message['name'])}</code>, {content}</p>{_code(payload)}"


def _resolve(document: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return] # every reference is to an object


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _code(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
