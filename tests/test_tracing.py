"""Traces that go with messages, through a server in a process of its own, with OpenTelemetry's own SDK."""

import asyncio
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import openmessaging as oms
from openmessaging import blocking, tracing
from openmessaging.model.errors import OMSRuntimeException

Work = Callable[[oms.AccessPoint], Awaitable[None]]


class Spans:
    """What was recorded."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def spans() -> Iterator[Spans]:
    recorded = Spans()
    tracing.instrument(recorded.provider)
    tracing.instrument(recorded.provider)  # twice is once
    yield recorded
    tracing.uninstrument()


def run(url: str, work: Work) -> None:
    async def whole() -> None:
        async with oms.connect(url) as access_point:
            await work(access_point)

    asyncio.run(asyncio.wait_for(whole(), 30))


def trace_of(span: ReadableSpan) -> str:
    return trace.format_trace_id(span.context.trace_id)


def linked(span: ReadableSpan) -> list[str]:
    return [trace.format_span_id(link.context.span_id) for link in span.links]


def id_of(span: ReadableSpan) -> str:
    return trace.format_span_id(span.context.span_id)


async def listened(
    access_point: oms.AccessPoint, queue: str, listener: Callable[..., Any], calls: int, **settings: Any
) -> None:
    """Call a listener so often."""
    done = asyncio.Event()
    called = 0

    async def counted(what: Any, context: Any) -> None:
        nonlocal called
        called += 1
        if called == calls:
            done.set()
        await listener(what)

    consumer = access_point.create_push_consumer("g", **settings)
    async with consumer:
        await consumer.bind_queue(queue, counted)
        await done.wait()


def test_one_trace_from_sender_to_listener_and_on(spans: Spans) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:

            async def forward(message: oms.Message) -> None:
                await producer.send(producer.create_message("bills", message.data))

            message = producer.create_message("orders", b"x", correlation_id="c1")
            with spans.provider.get_tracer("t").start_as_current_span("request"):
                result = await producer.send(message)
            await listened(access_point, "orders", forward, 1)
            (sent,) = spans.named("send orders")
            assert message.get_header("traceId") == trace_of(sent)
            assert sent.attributes is not None
            assert sent.attributes["messaging.message.id"] == result.message_id

    run(f"oms:memory:{uuid.uuid4().hex}", work)
    (request,) = spans.named("request")
    (sent,) = spans.named("send orders")
    (processed,) = spans.named("process orders")
    (forwarded,) = spans.named("send bills")
    assert {trace_of(each) for each in (sent, processed, forwarded)} == {trace_of(request)}
    assert [each.parent.span_id for each in (sent, processed, forwarded) if each.parent] == [
        each.context.span_id for each in (request, sent, processed)
    ]
    assert linked(processed) == [id_of(sent)]
    assert (sent.kind, processed.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    expected = {
        "messaging.system": "openmessaging",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.consumer.group.name": "g",
        "messaging.message.conversation_id": "c1",
        "messaging.destination.partition.id": "0",
        "messaging.message.body.size": 1,
        "openmessaging.message.delivery_count": 1,
        "openmessaging.message.offset": 0,
    }
    assert expected.items() <= dict(processed.attributes or {}).items()


def test_retries_and_dead_letters_stay_in_the_trace(spans: Spans) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))

        async def fail(message: oms.Message) -> None:
            raise ValueError("no good")

        await listened(access_point, "orders", fail, 2, backoff=oms.Backoff(initial=0.0, max_delivery=2))

        async def take(message: oms.Message) -> None:
            pass

        await listened(access_point, "orders.g.dead-letter", take, 1)

    run(f"oms:memory:{uuid.uuid4().hex}", work)
    (sent,) = spans.named("send orders")
    failed = spans.named("process orders")
    (dead,) = spans.named("process orders.g.dead-letter")
    assert {trace_of(each) for each in (*failed, dead)} == {trace_of(sent)}
    assert [linked(each) for each in (*failed, dead)] == [[id_of(sent)]] * 3
    assert [each.status.status_code for each in failed] == [StatusCode.ERROR] * 2
    assert [(each.attributes or {})["openmessaging.message.delivery_count"] for each in failed] == [1, 2]
    assert [(each.attributes or {})["error.type"] for each in failed] == ["ValueError"] * 2
    assert dead.status.status_code is StatusCode.UNSET


def test_a_batch_is_one_span_with_a_link_for_each_message(spans: Spans) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message("orders", b"x") for _ in range(3)])
        async with access_point.create_pull_consumer("orders", group="pull") as consumer:
            messages = await consumer.batch_receive(10, timeout=5)
            with pytest.raises(KeyError), tracing.processing(messages, spans.provider):
                raise KeyError("x")
            with tracing.processing(messages[0], spans.provider):
                pass

    run(f"oms:memory:{uuid.uuid4().hex}", work)
    sent = spans.named("send orders")
    (received,) = spans.named("receive orders")
    several, one = spans.named("process orders")
    everyone = {id_of(each) for each in sent}
    assert len(everyone) == 3
    assert set(linked(received)) == set(linked(several)) == everyone
    assert (received.parent, several.parent) == (None, None)
    assert (received.attributes or {})["messaging.batch.message_count"] == 3
    assert several.status.status_code is StatusCode.ERROR
    assert trace_of(one) in {trace_of(each) for each in sent}


def test_both_faces_and_services(spans: Spans) -> None:
    with blocking.connect(f"oms:memory:{uuid.uuid4().hex}") as access_point:
        with (
            access_point.create_service("sums", lambda request: b"3", group="s"),
            access_point.create_producer() as producer,
        ):
            assert producer.request(producer.create_message("sums", b"1+2"), timeout=5).data == b"3"
        done = threading.Event()
        consumer = access_point.create_push_consumer("g")
        with consumer, access_point.create_producer() as producer:
            consumer.bind_queue("orders", lambda message, context: done.set())
            producer.send(producer.create_message("orders", b"x"))
            assert done.wait(5)
    for queue in ("sums", "orders"):
        (sent,) = spans.named(f"send {queue}")
        (processed,) = spans.named(f"process {queue}")
        assert trace_of(processed) == trace_of(sent)


def test_a_send_that_fails_says_so(spans: Spans) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            with pytest.raises(OMSRuntimeException):
                await producer.send(producer.create_message("nowhere://orders", b"x"))

    run(f"oms:memory:{uuid.uuid4().hex}", work)
    (sent,) = spans.named("send nowhere://orders")
    assert sent.status.status_code is StatusCode.ERROR
    assert (sent.attributes or {})["error.type"] == "1405"


@pytest.mark.parametrize("junk", [7, "00-junk", b"\xff", "x" * 1000])
def test_junk_in_the_place_of_a_context_harms_nobody(spans: Spans, junk: Any) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        tracing.uninstrument()
        async with access_point.create_producer() as producer:
            properties = {"traceparent": junk, "tracestate": junk}
            await producer.send(producer.create_message("orders", b"x", properties=properties))
        tracing.instrument(spans.provider)

        async def take(message: oms.Message) -> None:
            pass

        await listened(access_point, "orders", take, 1)

    run(f"oms:memory:{uuid.uuid4().hex}", work)
    (processed,) = spans.named("process orders")
    assert processed.links == ()


def test_a_message_that_was_made_elsewhere_goes_on_in_its_trace(spans: Spans) -> None:
    """As a relay sends what a program wrote into its database."""
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x", properties={"traceparent": given}))

    run(f"oms:memory:{uuid.uuid4().hex}", work)
    (sent,) = spans.named("send orders")
    assert trace_of(sent) == given.split("-")[1]


@contextmanager
def server(store: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that writes its spans to its output: where it is, and the spans once it has ended."""
    command = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(store), "--listen", "0", "--json"]
    environment = {"OMS_SERVE_TRACING_EXPORTER": "console", "OMS_SERVE_STORE_FLUSH": "never", "PATH": "", "HOME": ""}
    environment["PYTHONPATH"] = str(Path(oms.__file__).parent.parent)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    found: list[dict[str, Any]] = []
    try:
        yield json.loads(process.stdout.readline())["url"], found
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    found += [json.loads(line) for line in output.splitlines()]


def test_the_broker_is_part_of_the_trace(spans: Spans, tmp_path: Path) -> None:
    with server(tmp_path / "store") as (url, stored):

        async def work(access_point: oms.AccessPoint) -> None:
            async with access_point.create_producer() as producer:
                await producer.send(producer.create_message("one", b"x"))
                await producer.send([producer.create_message("many", b"x") for _ in range(3)])

            async def take(message: oms.Message) -> None:
                pass

            await listened(access_point, "one", take, 1)

        run(url, work)
    (sent,) = spans.named("send one")
    (processed,) = spans.named("process one")
    by_name = {span["name"]: span for span in stored}
    one, many = by_name["store one"], by_name["store many"]
    assert one["context"]["trace_id"] == f"0x{trace_of(sent)}" == f"0x{trace_of(processed)}"
    assert one["parent_id"] == f"0x{id_of(sent)}"
    assert one["kind"] == "SpanKind.SERVER"
    assert one["resource"]["attributes"]["service.name"] == "openmessaging"
    links = {link["context"]["span_id"] for link in many["links"]}
    assert links == {f"0x{id_of(each)}" for each in spans.named("send many")}
    assert many["attributes"]["messaging.batch.message_count"] == 3


def test_what_is_not_used_is_not_imported() -> None:
    program = (
        "import sys, openmessaging, openmessaging.blocking, openmessaging.server.node;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
