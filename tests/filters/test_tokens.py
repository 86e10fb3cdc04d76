import pytest

from openmessaging.filters.tokens import tokens
from openmessaging.model.errors import OMSRuntimeException


def test_every_word_that_is_no_keyword_is_a_name() -> None:
    found = tokens("order = date AND select <> group")
    assert [token.text for token in found if token.token_type.name == "IDENTIFIER"] == [
        "order",
        "date",
        "select",
        "group",
    ]


@pytest.mark.parametrize(
    ("text", "start"),
    [("a = 'x", 4), ('b = "x', 4), ("a /* b", 2), ("a = 'it''s' AND 'x", 16), ("a - 1 / 2 = 'x", 12), ("-- '\n'", 5)],
)
def test_what_has_no_end_is_shown_where_it_begins(text: str, start: int) -> None:
    with pytest.raises(OMSRuntimeException, match="has no end") as caught:
        tokens(text)
    marks = caught.value.reason.splitlines()[-2]
    assert marks.index("^") - 4 == start - (text.rfind("\n", 0, start) + 1)


def test_a_hint_for_what_other_languages_write() -> None:
    for text, hint in (("a == 1", "="), ("a && b", "AND"), ("!a", "NOT")):
        with pytest.raises(OMSRuntimeException) as caught:
            tokens(text)
        assert hint in caught.value.next_step
