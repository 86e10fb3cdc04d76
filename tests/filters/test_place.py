from openmessaging.filters.place import refused


def test_the_line_is_shown_with_marks_below() -> None:
    failure = refused("a = 1\nAND upper(b) = 'x'", "no", 10, 15, "Do so")
    assert failure.reason == "filter, line 2, column 5:\n    AND upper(b) = 'x'\n        ^^^^^\nno"
    assert (failure.code, failure.field, failure.next_step) == (1418, "filter", "Do so")


def test_a_long_line_is_cut_around_the_place() -> None:
    failure = refused("x" * 500 + "!" + "y" * 500, "no", 500, 501)
    _, line, marks, _ = failure.reason.split("\n")
    assert len(line) <= 104
    assert line[marks.index("^")] == "!"


def test_places_outside_the_text_are_brought_inside() -> None:
    assert refused("", "no", 5, 9).reason.endswith("    \n    ^\nno")
    assert "column 1:" in refused("abc", "no", -3, -1).reason


def test_what_cannot_be_printed_is_a_space() -> None:
    assert "    a b\n" in refused("a\x07b", "no", 1, 2).reason
