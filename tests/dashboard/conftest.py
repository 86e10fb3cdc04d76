"""The dashboard in a real Chromium, on a node of this process with 20,000 flights in it and traffic going on.

Needs what `make dashboard` builds, and Chromium (CHROMIUM says where, else it is looked for by its names). Without them
these tests are skipped; under continuous integration, where CI is set, they fail.
"""

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmessaging import blocking as oms
from openmessaging.demo.data import Flight, read
from tests.servers import Serving, serving

ROOT = Path(__file__).parent.parent.parent
BUILT = ROOT / "openmessaging" / "server" / "dashboard" / "index.html"
PICTURES = ROOT / "build" / "dashboard"
# Nothing of the browser's own may reach for the network; in a container it has no sandbox.
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
CALLS = 8
PATIENCE_MS = 30_000
"""The machine may be busy."""


def missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")  # another module may run a loop of its own, and counts threads
def browser():
    path = chromium()
    if not BUILT.exists():
        missing("the dashboard is not built: make dashboard")
    if path is None:
        missing("there is no Chromium: apt-get install chromium, or say where with CHROMIUM=/path")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield started
        started.close()


def message(producer: oms.Producer, flight: Flight) -> oms.Message:
    body = (
        f'{{"date": "{flight.date}", "delay": {flight.delay}, "distance": {flight.distance}, '
        f'"origin": "{flight.origin}", "destination": "{flight.destination}"}}'
    )
    properties = {"delay": flight.delay, "distance": flight.distance, "late": flight.late}
    return producer.create_message("flights", body.encode(), message_key=flight.origin, properties=properties)


def fill(access_point: oms.AccessPoint, flights: list[Flight]) -> None:
    """Flights; a group that is behind, with dead letters; delayed calls; a route."""
    manager = access_point.resource_manager()
    manager.create_queue("flights", 2)
    manager.create_routing("late", "flights", ["late-flights"], ["filter late = TRUE", "set hours = delay / 60"])
    with access_point.create_producer() as producer:
        for at in range(0, len(flights), 2_000):
            producer.send([message(producer, flight) for flight in flights[at : at + 2_000]])
        for number in range(CALLS):
            delay = 3_600.0 + 60 * number
            producer.send(producer.create_message("calls", b"Boarding", message_key=f"gate-{number}", delay=delay))
    with access_point.create_pull_consumer("flights", group="board") as consumer:
        for received in consumer.batch_receive(500, timeout=5):
            if int(received.properties["delay"]) > 120:
                received.reject("later than two hours: ask the passengers")
            else:
                received.ack()
        consumer.flush()


def traffic(url: str, flights: list[Flight], stop: threading.Event) -> None:
    """Some flights more, several times a second, of which a group keeps up with most."""
    with (
        oms.connect(url) as access_point,
        access_point.create_producer() as producer,
        access_point.create_pull_consumer("flights", group="statistics") as consumer,
    ):
        at = 0
        while not stop.wait(0.2):
            more = 20 + at * 7 % 60
            producer.send([message(producer, flight) for flight in flights[at : at + more]])
            at = (at + more) % (len(flights) - 100)
            for received in consumer.batch_receive(500, timeout=0.1):
                received.ack()


@pytest.fixture(scope="module")  # another module may run a loop of its own, and counts threads
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    flights = read(None)
    store = f"oms:embedded://{tmp_path_factory.mktemp('dashboard')}/store"
    stop = threading.Event()
    with oms.connect(store, {"flush": "never"}) as access_point:
        fill(access_point, flights)
    with serving(store, {"flush": "never"}, http={"listen": "127.0.0.1:0"}) as node:
        thread = threading.Thread(target=traffic, args=(node.url, flights, stop))
        thread.start()
        try:
            yield node
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def visit(browser, broker: Serving) -> Iterator[Callable]:
    """Opens a page of the dashboard; what the browser complains about, a breach of the security policy too, fails."""
    contexts, complaints = [], []

    def opened(path="", width=1200, height=800, scheme="light", http="", refused=None):
        def heard(text: str) -> None:
            # The browser notes each answer that is an error.
            if refused is None or not re.search(f"status of (?:{getattr(refused, 'pattern', refused)})", text):
                complaints.append(text)

        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, color_scheme=scheme, timezone_id="UTC", reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: heard(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda failure: heard(str(failure)))
        page.goto(f"{http or broker.http}/ui/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
