"""What an app sends: values as bodies, and answers as values."""

import msgspec
import pytest

import openmessaging as oms
from openmessaging.testing import TestApp


class Order(msgspec.Struct):
    item: str


async def test_values_are_written_by_the_codec_and_answers_read_by_it() -> None:
    app = oms.App("oms:memory:never-opened")

    @app.service("orders", codec=oms.MessagePackCodec())
    async def name(order: Order, request: oms.Request) -> dict[str, str | None]:
        return {"item": order.item, "key": request.message_key, "colour": str(request.properties["colour"])}

    async with TestApp(app):
        packed = {"codec": oms.MessagePackCodec(), "key": "k", "properties": {"colour": "red"}}
        answer = await app.request("orders", Order("pizza"), dict[str, str], **packed)
        assert answer == {"item": "pizza", "key": "k", "colour": "red"}
        with pytest.raises(msgspec.ValidationError):
            await app.request("orders", Order("pizza"), int, **packed)


async def test_nothing_is_sent_before_the_start() -> None:
    app = oms.App("oms:memory:never-opened")
    for send in (app.send, app.request):
        with pytest.raises(oms.OMSRuntimeException, match="1503"):
            await send("q", "x")
    with pytest.raises(oms.OMSRuntimeException, match="1503"):
        async with app.request_stream("q", "x"):
            pass


async def test_texts_and_bytes_go_as_they_are() -> None:
    app = oms.App("oms:memory:never-opened")
    async with TestApp(app) as test:
        for value in ("text", b"bytes", {"a": 1}):
            await app.send("q", value, key="k")
        assert [message.data for message in test.messages("q")] == [b"text", b"bytes", b'{"a":1}']
