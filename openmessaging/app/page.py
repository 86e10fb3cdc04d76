"""An AsyncAPI document as a page: one file, no scripts, nothing fetched, so that it can be read anywhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
section { border: 1px solid #ddd; border-radius: .5rem; padding: .25rem 1rem 1rem; margin: 1rem 0; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: #f6f6f6; padding: .75rem; border-radius: .375rem; overflow: auto; }
.action { color: #fff; border-radius: .25rem; padding: .1rem .5rem; font-size: .85rem; background: #2b6cb0; }
.send { background: #2f855a; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } section { border-color: #444; } pre { background: #222; }
}
"""


def page(document: dict[str, Any]) -> str:
    """The page of a document that `openmessaging.app.asyncapi` wrote."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        _paragraph(info.get("description", "")),
        "<h2>Operations</h2>",
        *(_operation(document, name, operation) for name, operation in document["operations"].items()),
        "<h2>Schemas</h2>",
        *(
            f'<section id="{escape(name)}"><h3>{escape(name)}</h3>{_code(schema)}</section>'
            for name, schema in document["components"]["schemas"].items()
        ),
    ]
    head = f'<meta charset="utf-8"><title>{escape(info["title"])}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _operation(document: dict[str, Any], name: str, operation: dict[str, Any]) -> str:
    action = operation["action"]
    queue = _resolve(document, operation["channel"])["address"]
    lines = [
        f"<h3>{escape(name)}</h3>",
        f'<p><span class="action {action}">{action}</span> <code>{escape(queue)}</code>',
    ]
    if "x-oms-group" in operation:
        lines.append(f" in group <code>{escape(operation['x-oms-group'])}</code>")
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
    return f"<p><code>{escape(message['name'])}</code>, {escape(message['contentType'])}</p>{_code(message['payload'])}"


def _resolve(document: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return] # every reference is to an object


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _code(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
