"""For everybody: by keyboard, by screen reader (axe), in both themes, on a phone; and signed in."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from openmessaging.server.security.hashing import hash_password
from tests.dashboard.conftest import PICTURES, ROOT
from tests.dashboard.test_pages import FLIGHTS, expect, found
from tests.server.security.helpers import add_user
from tests.servers import Serving, serving

AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
PLACES = {
    "overview": "",
    "queues": "#/queues",
    "queue": FLIGHTS,
    "dead-letters": "#/dead-letters",
    "letters": "#/dead-letters/default%3A%2F%2Fflights/board",
    "delayed": "#/delayed",
    "calls": "#/delayed/default%3A%2F%2Fcalls",
    "routes": "#/routes",
    "connections": "#/connections",
    "users": "#/users",
}
PHONE = {"width": 390, "height": 844}


def settle(page) -> None:
    """Wait until what a page loads is there."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)
    expect(page.get_by_text("looking…")).to_have_count(0)


def violations(page) -> list[str]:
    """What axe finds wrong by the rules of WCAG 2.2 AA and good practice."""
    page.evaluate(AXE.read_text())  # in the page's own world, where its policy lets nothing else be loaded
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    result = page.evaluate("tags => axe.run({ runOnly: tags })", tags)
    return [f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}" for each in result["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PLACES)
def test_axe_finds_nothing(visit, name, scheme):
    page = visit(PLACES[name], scheme=scheme)
    settle(page)
    for each in [*page.locator("details:not(li > *)").all(), *page.locator("li > details").all()[:2]]:
        each.evaluate("each => { each.open = true }")
    page.screenshot(path=PICTURES / f"{name}-{scheme}.png", full_page=True)
    assert violations(page) == []


@pytest.mark.parametrize("name", PLACES)
def test_it_fits_a_phone(visit, name):
    page = visit(PLACES[name], scheme="dark", **PHONE)
    settle(page)
    if name in ("queue", "letters"):
        found(page).first.locator("summary").click()
    page.screenshot(path=PICTURES / f"{name}-phone.png", full_page=True)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0, "it scrolls sideways"
    assert violations(page) == []


def test_by_keyboard_alone(visit):
    page = visit()
    settle(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_focused()
    page.get_by_role("link", name="OpenMessaging").focus()
    for _ in range(3):  # the switch of colours, Overview, Queues
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Queues", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queues")).to_be_focused()
    page.get_by_role("link", name="flights", exact=True).press("Enter")
    settle(page)
    found(page).first.locator("summary").press("Enter")
    expect(page.get_by_role("region", name=re.compile("Body of"))).to_be_visible()


def test_a_dialog_holds_the_focus_and_gives_it_back(visit):
    page = visit(FLIGHTS)
    settle(page)
    page.get_by_text("Settings").click()
    button = page.get_by_role("button", name="Delete the queue…")
    button.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("This cannot be undone")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def background(page) -> str:
    return page.evaluate("() => getComputedStyle(document.body).backgroundColor")


def test_colours_follow_the_system_and_can_be_switched(visit):
    page = visit(scheme="dark")
    settle(page)
    dark = background(page)
    page.emulate_media(color_scheme="light")
    light = background(page)
    assert dark != light
    page.get_by_label("Colours").select_option("Dark")
    assert background(page) == dark
    page.reload()
    assert background(page) == dark
    page.get_by_label("Colours").select_option("System")
    assert background(page) == light


def test_pictures_for_the_documentation(visit):
    """Not full pages: what one sees first. `make pictures` takes them over into docs/images."""
    shots = [
        ("overview", "", "light", 1100, 760),
        ("queue", FLIGHTS, "dark", 1100, 900),
        ("phone", "", "light", 390, 844),
    ]
    for name, path, scheme, width, height in shots:
        page = visit(path, scheme=scheme, width=width, height=height)
        settle(page)
        expect(page.get_by_role("img", name=re.compile("Messages per second.*stored: [1-9]"))).to_be_visible()
        page.screenshot(path=Path(PICTURES) / f"docs-{name}.png")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, dict[str, str]]]:
    """A node with users, and their tokens."""
    path = tmp_path_factory.mktemp("users") / "users.json"
    tokens = {
        "root": add_user(path, "root", roles=["admin"], password=hash_password("correct horse", 10)),
        "cook": add_user(path, "cook", "receive,browse default://orders"),
    }
    with serving("oms:memory:guarded", http={"listen": "127.0.0.1:0"}, security={"users": str(path)}) as node:
        for name in ("orders", "secrets"):
            answer = httpx.post(f"{node.http}/v1/queues", json={"name": name}, auth=("root", "correct horse"))
            assert answer.status_code == 201
        yield node, tokens


def sign_in(page, account: str, secret: str) -> None:
    page.get_by_label("Account").fill(account)
    page.get_by_label("Key or token").fill(secret)
    page.get_by_role("button", name="Sign in").click()


def test_an_account_signs_in_and_out(visit, guarded):
    node, _ = guarded
    page = visit("#/users", http=node.http, refused=401)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("navigation")).to_have_count(0)
    assert violations(page) == []
    sign_in(page, "root", "wrong")
    expect(page.get_by_role("alert").first).to_contain_text("does not know this account and key")
    sign_in(page, "root", "correct horse")
    expect(page.get_by_text("You are root")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("cook"))).to_contain_text("receive,browse default://orders")
    page.screenshot(path=PICTURES / "users-signed-in.png")
    page.reload()
    expect(page.get_by_text("You are root")).to_be_visible()
    kept = "() => [document.cookie, Object.values(localStorage).join()]"
    assert page.evaluate(kept) == ["", ""], "credentials live in this tab alone"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_who_may_do_little_sees_little(visit, guarded):
    node, tokens = guarded
    page = visit("", http=node.http, refused=re.compile("40[13]"))
    sign_in(page, "", tokens["cook"])
    expect(page.get_by_text("Rates of all queues are not for you")).to_be_visible()
    expect(page.locator(".tile", has_text="Queues").locator("dd")).to_contain_text("1")
    page.get_by_role("link", name="Queues", exact=True).click()
    expect(page.get_by_role("link", name="orders")).to_be_visible()
    expect(page.get_by_role("link", name="secrets")).to_have_count(0)
    page.get_by_role("link", name="orders").click()
    expect(page.get_by_role("img", name=re.compile("Messages per second"))).to_be_visible()
    page.get_by_text("Send a test message").click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("alert").last).to_contain_text("has no right to send")
