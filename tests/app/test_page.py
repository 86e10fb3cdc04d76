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

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href"}, "it fetches something"

    def handle_data(self, data: str) -> None:
        self.text += data


def test_all_is_on_it_and_nothing_is_fetched() -> None:
    reader = Reader()
    reader.feed(page(document(app)))
    for word in ("Shop <1>", "Sells & ships.", "bill", "billing", "invoices", "Makes an invoice.", '"quantity"'):
        assert word in reader.text
    assert not {"script", "link", "img"} & set(reader.tags)
