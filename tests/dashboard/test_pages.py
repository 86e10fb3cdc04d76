"""What an operator does with the dashboard, page by page."""

import re

import pytest

from openmessaging import blocking as oms
from tests.dashboard.conftest import CALLS, PATIENCE_MS

FLIGHTS = "#/queues/default%3A%2F%2Fflights"
EVIL = "<img src=x onerror=\"document.title='broken'\">"


def expect(locator):
    from playwright.sync_api import expect as expected

    expected.set_options(timeout=PATIENCE_MS)
    return expected(locator)


def found(page):
    """The messages that a search shows."""
    return page.locator(".messages > li")


def search(page, label: str, text: str) -> None:
    page.get_by_role("search").get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("looking…")).to_have_count(0)


def test_the_overview_moves(visit):
    page = visit()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("live")).to_be_visible()
    stored = page.locator(".tile", has_text="Stored").locator("dd")
    expect(stored).to_have_text(re.compile(r"^[1-9][\d,.]*/s$"))
    plot = page.get_by_role("img", name=re.compile("Messages per second.*stored: [1-9]"))
    expect(plot.locator("canvas")).to_be_visible()
    painted = "each => each.getContext('2d').getImageData(0, 0, each.width, each.height).data.some(value => value > 0)"
    assert plot.locator("canvas").evaluate(painted)
    expect(page.get_by_role("img", name=re.compile(r"Latency of a send.*p99: [\d.]+ ms"))).to_be_visible()
    page.get_by_role("table").get_by_role("link", name="flights", exact=True).click()
    expect(page.get_by_role("heading", name="flights", exact=True)).to_be_focused()


def test_lines_are_there_at_once(visit):
    page = visit()
    points = "() => fetch('../v1/rates').then(answer => answer.json()).then(series => series.atMs.length)"
    assert page.evaluate(points) > 1


def test_a_queue_and_its_groups(visit):
    page = visit("#/queues")
    page.get_by_label("Name contains").fill("FLIGHTS")
    page.get_by_role("link", name="flights", exact=True).click()
    groups = page.get_by_role("region", name="Groups of flights")
    row = groups.get_by_role("row", name=re.compile("board"))
    expect(row).to_contain_text(re.compile(r"\d\d[\d.]*K"))
    expect(groups.get_by_role("row", name=re.compile("route-late"))).to_be_visible()


@pytest.mark.parametrize(
    ("label", "text", "shows"),
    [
        ("Key", "ATL", '"origin": "ATL"'),
        ("Property", "late=true", '"delay": '),
        ("Text in the body", '"destination": "den"', '"destination": "DEN"'),
        ("Condition (SQL)", "distance > 2500 AND delay < 0", '"delay": -'),
    ],
)
def test_messages_are_searched(visit, label, text, shows):
    page = visit(FLIGHTS)
    if label.startswith("Condition"):
        page.get_by_text("Time and condition").click()
    search(page, label, text)
    expect(found(page).first).to_contain_text(shows)
    assert found(page).count() == 50
    expect(page.get_by_role("status").filter(has_text="looked at")).to_contain_text("50 messages shown")
    page.get_by_role("button", name="Older messages").click()
    expect(found(page)).to_have_count(100)
    page.reload()  # the address holds what was asked
    expect(found(page)).to_have_count(50)
    expect(found(page).first).to_contain_text(shows)


def test_messages_are_searched_by_time(visit):
    page = visit(FLIGHTS)
    page.get_by_text("Time and condition").click()
    search(page, "until", "2001-01-01T00:00")
    expect(page.get_by_role("status").filter(has_text="looked at")).to_have_text(
        "0 messages shown, 0 looked at: that is all"
    )
    search(page, "until", "")
    assert found(page).count() == 50


def test_a_wrong_condition_is_explained(visit):
    page = visit(FLIGHTS, refused=400)
    page.get_by_text("Time and condition").click()
    search(page, "Condition (SQL)", "distance >")
    expect(page.get_by_role("alert").first).to_contain_text("distance >")


def test_a_message_is_sent_found_and_laid_out(visit):
    page = visit(FLIGHTS)
    page.get_by_text("Send a test message").click()
    page.get_by_label("Body", exact=True).fill('{"origin":"ZRH","seats":[1,{"row":12345678901234567890}],"free":[]}')
    page.get_by_label("Properties, NAME=VALUE per line").fill("class=first\nprice=12.5\nhalf=true")
    form = page.locator("form", has=page.get_by_label("Delay in seconds"))
    form.get_by_label("Key").fill("ZRH-1")
    form.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").filter(has_text="Sent: partition")).to_be_visible()
    search_form = page.get_by_role("search")
    search_form.get_by_label("Key", exact=True).fill("ZRH-1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("that is all")).to_be_visible()
    expect(found(page)).to_have_count(1)
    found(page).locator("summary").click()
    seats = '[\n    1,\n    {\n      "row": 12345678901234567890\n    }\n  ]'
    laid_out = f'{{\n  "origin": "ZRH",\n  "seats": {seats},\n  "free": []\n}}'
    assert page.get_by_role("region", name=re.compile("Body of")).inner_text() == laid_out
    expect(found(page)).to_contain_text(re.compile("class.*first.*price.*12.5.*half.*true", re.DOTALL))


def test_what_is_in_messages_stays_text(visit, broker):
    with oms.connect(broker.url) as access_point, access_point.create_producer() as producer:
        names = {"message_key": EVIL, "properties": {EVIL: EVIL}}
        producer.send(producer.create_message("strange", EVIL.encode(), **names))
        producer.send(producer.create_message("strange", b"\x00\xff" * 600))
        producer.send(producer.create_message("strange", b""))
    page = visit("#/queues/default%3A%2F%2Fstrange")
    expect(found(page)).to_have_count(3)
    for each in found(page).all():
        each.locator("summary").click()
    expect(found(page).nth(0)).to_contain_text("empty")
    expect(found(page).nth(1)).to_contain_text("000010  00 ff 00 ff")
    expect(found(page).nth(1)).to_contain_text("176 bytes more")
    expect(found(page).nth(2).get_by_role("region", name=re.compile("Body of"))).to_have_text(EVIL)
    assert page.locator("main img").count() == 0
    assert "broken" not in page.title()


def test_queues_come_and_go(visit):
    page = visit("#/queues")
    page.get_by_text("Create a queue").click()
    page.get_by_label("Name", exact=True).fill("scratch")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="scratch")).to_be_visible()
    page.get_by_text("Settings").click()
    page.get_by_role("button", name="Drop all messages…").click()
    page.get_by_role("button", name="Drop them").click()
    expect(page.get_by_text("Dropped 0 messages of scratch")).to_be_visible()
    page.get_by_role("button", name="Delete the queue…").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("Deleted scratch")).to_be_visible()
    expect(page.get_by_role("link", name="flights", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="scratch")).to_have_count(0)


def test_a_group_is_moved_and_deleted(visit, broker):
    with oms.connect(broker.url) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("moves", b"x") for _ in range(3)])
        with access_point.create_pull_consumer("moves", group="g") as consumer:
            for received in consumer.batch_receive(3, timeout=5):
                received.ack()
            consumer.flush()
    page = visit("#/queues/default%3A%2F%2Fmoves")
    page.get_by_text("Move a group").click()
    page.get_by_label("To", exact=True).select_option("the oldest message")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("Moved g: 3 messages behind")).to_be_visible()
    page.get_by_role("button", name="Delete g").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("No group consumes this queue.")).to_be_visible()


def test_dead_letters_go_back(visit):
    page = visit("#/dead-letters")
    row = page.get_by_role("row", name=re.compile("flights board"))
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Dead letters of board")).to_be_visible()
    expect(found(page).first).to_contain_text("attempt 1: later than two hours: ask the passengers")
    there = found(page).count()
    assert there > 3
    page.get_by_label("Only those that match (SQL)").fill("delay > 120")
    page.get_by_label("At most").fill("2")
    page.get_by_role("button", name="How many?").click()
    expect(page.get_by_text("2 messages would go back")).to_be_visible()
    page.get_by_role("button", name="Send back").click()
    expect(page.get_by_text("Sent 2 messages back")).to_be_visible()
    expect(found(page)).to_have_count(there - 2)


def test_a_delayed_message_is_taken_back(visit):
    page = visit("#/delayed")
    page.get_by_role("link", name="calls").click()
    rows = page.get_by_role("region", name="Delayed messages").get_by_role("row")
    expect(rows).to_have_count(CALLS + 1)
    expect(rows.nth(1)).to_contain_text(re.compile(r"(min|h) .*gate-0"))
    page.get_by_role("button", name="Cancel gate-3").click()
    expect(page.get_by_text("Taken back: it will not be delivered")).to_be_visible()
    expect(rows).to_have_count(CALLS)


def test_routes_are_explained(visit):
    page = visit("#/routes")
    row = page.get_by_role("row", name=re.compile("late"))
    expect(row).to_contain_text("late-flights")
    expect(row).to_contain_text("filter late = TRUE")
    page.get_by_label("Properties, NAME=VALUE per line").fill("late=true\ndelay=90")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("goes to late-flights")).to_be_visible()
    page.get_by_label("Properties, NAME=VALUE per line").fill("late=false")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("goes nowhere")).to_be_visible()


def test_connections_are_shown(visit):
    page = visit("#/connections")
    row = page.get_by_role("row", name=re.compile("127.0.0.1"))
    expect(row.filter(has_text="flights as statistics")).to_contain_text("127.0.0.1")


def test_without_users_everybody_here_may_do_everything(visit):
    page = visit("#/users")
    expect(page.get_by_text("There are no users")).to_be_visible()


def test_there_is_no_such_page(visit):
    page = visit("#/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
