"""The order system: its pages show the programs of examples/orders/, all of them and as they are."""

from tests.test_docs import PAGES, ROOT, SERIES, programs

FOLDER = ROOT / "examples" / "orders"


def test_the_pages_show_the_programs_as_they_are() -> None:
    shown: dict[str, str] = {}
    for page in (page for page in PAGES if page.parent == SERIES):
        again = shown.keys() & programs(page).keys()
        assert not again, f"{page.name} shows {again} once more"
        shown |= programs(page)
    assert shown == {path.name: path.read_text() for path in FOLDER.glob("*.py")}
