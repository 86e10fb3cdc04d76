"""The broker's spans: what stores, what failed, what carries nothing."""

import asyncio
import builtins
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import parse
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch, Placement
from openmessaging.server.tracing import TracedDriver, TracingSection, opened

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def batch(*parents: str | None, queue: str = "default://orders") -> OutgoingBatch:
    records = [Record(b"x", None, None if parent is None else {"traceparent": parent}) for parent in parents]
    whole = encode(records, shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=0)
    return OutgoingBatch(queue, None, whole)


def spans_of(work: Callable[[Any], Any]) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    async def whole() -> None:
        driver = await embedded.open(parse(f"oms:memory:{uuid.uuid4().hex}"), {})
        await work(TracedDriver(driver, provider.get_tracer("t")))
        await driver.close()

    asyncio.run(asyncio.wait_for(whole(), 20))
    return list(exporter.get_finished_spans())


def test_every_way_to_store() -> None:
    async def work(driver: Any) -> None:
        await driver.send([batch(PARENT)])
        await driver.commit([batch(PARENT), batch(None, queue="default://bills")], [])
        done: asyncio.Future[tuple[Placement | None, BaseException | None]]
        done = asyncio.get_running_loop().create_future()
        assert driver.send_now(batch(PARENT)) is None  # it is left to `submit`, which can wait
        driver.submit(batch(PARENT), lambda placement, failure: done.set_result((placement, failure)))
        placement, failure = await done
        assert placement is not None
        assert failure is None
        assert driver.max_body_bytes > 0

    spans = spans_of(work)
    assert [span.name for span in spans] == ["store orders", "store (several)", "store orders"]
    assert [dict(span.attributes or {}).get("messaging.batch.message_count") for span in spans] == [1, 2, 1]
    assert {f"{span.context.trace_id:x}" for span in spans} == {PARENT.split("-")[1]}
    assert {f"{span.parent.span_id:016x}" for span in spans if span.parent} == {PARENT.split("-")[2]}


def test_what_carries_nothing_has_no_span() -> None:
    async def work(driver: Any) -> None:
        await driver.send([batch(None, None)])
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        driver.submit(batch("junk"), lambda placement, failure: done.set_result(placement))
        assert await done is not None

    assert spans_of(work) == []


def test_what_fails_says_so() -> None:
    async def work(driver: Any) -> None:
        with pytest.raises(OMSRuntimeException):
            await driver.send([batch(PARENT, queue="nowhere://x")])
        done: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        driver.submit(batch(PARENT, queue="nowhere://x"), lambda placement, failure: done.set_result(failure))
        assert isinstance(await done, OMSRuntimeException)

    spans = spans_of(work)
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR] * 2
    assert [[event.name for event in span.events] for span in spans] == [["exception"]] * 2


def test_what_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    assert opened(TracingSection()) is None
    tracing = opened(TracingSection("console", "shop"))
    assert tracing is not None
    tracing.tracer.start_span("one").end()
    tracing.close()
    assert '"service.name": "shop"' in capsys.readouterr().out


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OMSRuntimeException, match="opentelemetry-exporter-otlp-proto-http") as failure:
        opened(TracingSection("otlp"))
    assert (failure.value.code, failure.value.field) == (1418, "tracing.exporter")
