"""The OpenAPI document says what the server does."""

from __future__ import annotations

from pathlib import Path

import httpx

from openmessaging.server.http.openapi import document_text
from openmessaging.server.http.routes import all_routes
from openmessaging.server.http.table import Route

SPECIFICATION = Path(__file__).parents[3] / "spec" / "openapi.json"


def test_the_file_is_what_the_routes_say() -> None:
    assert SPECIFICATION.read_text() == document_text(), "run python scripts/reference.py"


def test_it_is_served(client: httpx.Client) -> None:
    document = client.get("/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    shown = {
        (route.method.lower(), route.path)
        for route in all_routes()
        if isinstance(route, Route) and route.path.startswith("/v1/") and not route.hidden
    }
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == shown


def test_every_reference_leads_somewhere(client: httpx.Client) -> None:
    document = client.get("/v1/openapi.json").json()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                found = document
                for part in reference.removeprefix("#/").split("/"):
                    found = found[part]
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(document)
