"""The AsyncAPI document. ASYNCAPI_SCHEMA names the official JSON Schema of 3.0.0, where it is at hand."""

import json
import os
from typing import Any

import jsonschema
import pytest

import openmessaging as oms
from openmessaging.app.asyncapi import document
from openmessaging.app.page import page
from tests.app.program import app

REFERENCE = {"type": "object", "required": ["$ref"], "properties": {"$ref": {"pattern": "^#/"}}}
SHAPE = {
    "type": "object",
    "required": ["asyncapi", "info"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"required": ["title", "version"]},
        "servers": {"additionalProperties": {"required": ["host", "protocol"]}},
        "channels": {
            "additionalProperties": {
                "required": ["address", "messages"],
                "properties": {"messages": {"additionalProperties": REFERENCE}},
            }
        },
        "operations": {
            "additionalProperties": {
                "required": ["action", "channel"],
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": REFERENCE,
                    "messages": {"type": "array", "items": REFERENCE},
                },
                "patternProperties": {"^x-[a-z-]+$": {}},
            }
        },
        "components": {
            "properties": {
                part: {"propertyNames": {"pattern": r"^[\w.\-]+$"}} for part in ("messages", "schemas", "replies")
            }
        },
    },
}
"""What the specification demands of the parts that are written, in short."""


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        found = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return found + [each for value in part.values() for each in references(value)]
    return [each for value in part for each in references(value)] if isinstance(part, list) else []


def test_it_has_the_demanded_shape_and_every_reference_leads_somewhere() -> None:
    found = document(app)
    jsonschema.validate(found, SHAPE)
    for reference in references(found):
        part = found
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


@pytest.mark.skipif("ASYNCAPI_SCHEMA" not in os.environ, reason="the official schema is not at hand")
def test_the_official_schema_accepts_it() -> None:
    with open(os.environ["ASYNCAPI_SCHEMA"]) as file:
        schema = json.load(file)
    for each in (app, oms.App("oms:memory:empty")):
        jsonschema.validate(document(each), schema)


def test_what_a_listener_says() -> None:
    found = document(app)
    bill = found["operations"]["bill"]
    assert bill["description"] == "Makes an invoice."
    assert (bill["action"], bill["x-oms-group"], bill["x-oms-order"]) == ("receive", "billing", "key")
    assert bill["reply"]["messages"] == [{"$ref": "#/channels/invoices/messages/Invoice"}]
    assert found["components"]["schemas"]["Order"]["required"] == ["item"]
    assert found["components"]["messages"]["Order"]["contentType"] == "application/json"
    assert found["components"]["messages"]["numbers-int"]["contentType"] == "application/msgpack"
    assert found["channels"]["old-customers"]["address"] == "old customers"


def test_a_listener_says_its_condition() -> None:
    some = oms.App("oms:memory:some")

    @some.listener("orders", filter="price > 5")
    async def dear(price: float) -> None: ...

    @some.listener("orders", group="all")
    async def every(price: float) -> None: ...

    operations = document(some)["operations"]
    assert operations["dear"]["x-oms-filter"] == "price > 5"
    assert "x-oms-filter" not in operations["every"]


def test_what_a_publisher_says_and_two_of_a_queue() -> None:
    operations = document(app)["operations"]
    assert operations["send-parcels"]["description"] == "To the parcel service."
    assert operations["send-parcels-2"]["messages"] == [{"$ref": "#/channels/parcels/messages/parcels-bytes"}]


def test_no_secret_of_the_url_is_told() -> None:
    found = document(oms.App("oms:kafka://account@one:9092,two/region", {"ACCOUNT_KEY": "secret"}))
    assert [server["host"] for server in found["servers"].values()] == ["one:9092", "two:9092"]
    assert "account" not in json.dumps(found)


def test_what_a_service_says() -> None:
    found = document(app)
    price = found["operations"]["price"]
    assert price["description"] == "Tells what an order would cost."
    assert (price["action"], price["x-oms-group"]) == ("receive", "shop")
    assert price["channel"] == {"$ref": "#/channels/prices"}
    assert price["reply"]["address"] == {"location": "$message.header#/rpc.reply-to"}
    assert found["channels"]["prices-reply"]["address"] is None
    assert price["reply"]["messages"] == [{"$ref": "#/channels/prices-reply/messages/Invoice"}]
    stream = found["operations"]["count_down"]
    assert stream["x-oms-stream"]
    [answer] = stream["reply"]["messages"]
    assert found["components"]["messages"][answer["$ref"].rpartition("/")[2]]["payload"] == {"type": "integer"}
    assert "Whoever asks is answered" in page(found)
