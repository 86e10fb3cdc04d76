"""The page of an AsyncAPI document."""

from html.parser import HTMLParser

from openmessaging.app.asyncapi import document
from openmessaging.app.page import page
from tests.app.program import app


class Reader(HTMLParser):
    """Text and tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.places: set[str | None] = set()
        self.links: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.places |= {found["id"]} if "id" in found else set()
        if tag == "a":
            href = found["href"] or ""
            assert href.startswith("#"), "it leads elsewhere"
            self.links.add(href[1:])
        else:
            assert not found.keys() & {"src", "href"}, "it fetches something"

    def handle_data(self, data: str) -> None:
        self.text += data


def test_all_is_on_it_and_nothing_is_fetched() -> None:
    reader = Reader()
    reader.feed(page(document(app)))
    for word in ("Shop <1>", "Sells & ships.", "bill", "billing", "invoices", "Makes an invoice.", '"quantity"'):
        assert word in reader.text
    assert not {"script", "link", "img"} & set(reader.tags)
    assert reader.links
    assert reader.links <= reader.places
    assert "ordersbill" in reader.text  # a row of the table of queues
    assert "in group billing, in the order of each key" in reader.text
