"""`oms status`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from openmessaging.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    import ssl

Values = Mapping[tuple[str, ...], float]
"""Metrics by name and the values of the labels."""
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'\w+="((?:[^"\\]|\\.)*)"')
_TIMEOUT = 5.0


@click.command("status")
@click.argument("url", required=False)
@click.option("--key", envvar="OMS_KEY", metavar="TOKEN", help="A token with the grant `look *`.  [env: OMS_KEY]")
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="To count rates over."
)
@click.option("--ready", is_flag=True, help="Only ask whether it is ready, for health checks: exit code 0 or 1.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(url: str | None, key: str | None, seconds: float, ready: bool, as_json: bool) -> int:
    """Show how a server is: rates, groups that are behind, connections, its log.

    URL is where it answers HTTP, as http://127.0.0.1:8080; without one, where OMS_SERVE_HTTP_LISTEN says, on this
    machine.
    """
    import time

    where = (url or _here(os.environ)).rstrip("/")
    health = _asked(f"{where}/readyz", None)
    if ready:
        if not health["ready"]:
            click.echo("; ".join(health["reasons"]), err=True)
        return 0 if health["ready"] else 1
    first, started = parse(_text(f"{where}/metrics", key)), time.monotonic()
    time.sleep(seconds)
    second = parse(_text(f"{where}/metrics", key))
    found = overview(health, first, second, time.monotonic() - started)
    if as_json:
        print_json(found)
        return 0
    print_fields({"server": where, **found["server"]})
    print()
    print_table(("queue", "messages", "delayed", "in/s"), [list(row.values()) for row in found["queues"]])
    print()
    columns = ("queue", "group", "behind", "in flight", "oldest s", "out/s", "acks/s", "dead")
    print_table(columns, [list(row.values()) for row in found["groups"]])
    return 0


def parse(text: str) -> Values:
    """Metrics of a server."""
    return {
        (name, *_LABEL.findall(labels)): float(value)
        for name, labels, value in _SAMPLE.findall(text)
        if not name.startswith("#")
    }


def overview(health: dict[str, Any], first: Values, second: Values, seconds: float) -> dict[str, Any]:
    """What two readings, so many seconds apart, say."""

    def now(name: str, *labels: str) -> float:
        return second.get((name, *labels), 0.0)

    def rate(name: str, *labels: str) -> float:
        return max(now(name, *labels) - first.get((name, *labels), 0.0), 0.0) / seconds

    syncs = rate("oms_sync_seconds_count")
    server = {
        "ready": "yes" if health["ready"] else "; ".join(health["reasons"]),
        "connections": ", ".join(
            f"{int(value)} {labels[1]}" for labels, value in second.items() if labels[0] == "oms_connections"
        ),
        "memory": f"{now('process_resident_memory_bytes') / (1 << 20):,.0f} MiB",
        "log": f"{now('oms_store_bytes') / (1 << 20):,.1f} MiB in {now('oms_store_segments'):.0f} files, "
        f"{rate('oms_store_written_bytes_total') / (1 << 20):,.2f} MiB/s",
        "syncs": f"{syncs:,.0f}/s, {1000 * rate('oms_sync_seconds_sum') / syncs if syncs else 0:.2f} ms each",
        "errors": int(sum(value for labels, value in second.items() if labels[0] == "oms_errors_total")),
    }
    queues = [
        {
            "queue": labels[1],
            "messages": int(value),
            "delayed": int(now("oms_queue_delayed_messages", labels[1])),
            "stored_per_second": round(rate("oms_queue_stored_messages_total", labels[1]), 1),
        }
        for labels, value in second.items()
        if labels[0] == "oms_queue_messages"
    ]
    groups = [
        {
            "queue": of[0],
            "group": of[1],
            "lag": int(value),
            "in_flight": int(now("oms_group_in_flight_messages", *of)),
            "oldest_seconds": round(now("oms_group_oldest_message_age_seconds", *of), 1),
            "received_per_second": round(rate("oms_group_received_messages_total", *of), 1),
            "acknowledged_per_second": round(rate("oms_group_acknowledged_messages_total", *of), 1),
            "dead_letters": int(now("oms_group_dead_letters_total", *of)),
        }
        for (name, *of), value in second.items()
        if name == "oms_group_lag_messages"
    ]
    groups.sort(key=lambda row: -int(row["lag"]))  # type: ignore[call-overload]
    return {"server": server, "queues": queues, "groups": groups}


def _here(environment: Mapping[str, str]) -> str:
    """Where a server with these variables answers, on this machine. Raises click.UsageError when they do not say."""
    port = environment.get("OMS_SERVE_HTTP_LISTEN", "").rpartition(":")[2]
    if not port.isdecimal():
        raise click.UsageError("give the URL of a server, as http://127.0.0.1:8080")
    return f"http{'s' if environment.get('OMS_SERVE_TLS_CERTIFICATE') else ''}://127.0.0.1:{port}"


def _asked(url: str, key: str | None) -> Any:
    import json

    return json.loads(_text(url, key))


def _text(url: str, key: str | None) -> str:
    """What a server answers. Raises OMSRuntimeException: its own, or 10000 when it cannot be reached."""
    import json
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    from openmessaging.model.errors import error

    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is no address of a server; write it as http://127.0.0.1:8080")
    request = Request(url, headers={"authorization": f"Bearer {key}"} if key else {})  # noqa: S310 - checked above
    try:
        with urlopen(request, timeout=_TIMEOUT, context=_unchecked(url, key)) as answer:  # noqa: S310
            return str(answer.read().decode())
    except HTTPError as refused:
        text = refused.read().decode(errors="replace")
        if refused.code == 503 and url.endswith("/readyz"):
            return text
        try:
            problem = json.loads(text)
            raise error(problem["code"], problem["detail"], next_step=problem.get("nextStep", "")) from refused
        except (ValueError, KeyError, TypeError):
            raise error(10000, f"{url} answers {refused.code}", next_step="Is it a server of oms?") from refused
    except OSError as cause:
        reason = getattr(cause, "reason", cause)
        raise error(10000, f"{url}: {reason}", next_step="Check that the server is running") from cause


def _unchecked(url: str, key: str | None) -> ssl.SSLContext | None:
    """For health checks on this machine, whose address is in no certificate: nothing secret is sent or believed."""
    import ssl

    if key or not url.startswith("https://127.0.0.1"):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
