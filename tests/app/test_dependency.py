"""Which markers count as dependencies."""

from openmessaging import Depends
from openmessaging.app.dependency import marker


def make() -> int:
    return 1


def test_own_marker_is_itself() -> None:
    assert marker(Depends(make)) == Depends(make, use_cache=True)


def test_a_marker_of_fastapis_kind_is_understood() -> None:
    theirs = type("Depends", (), {"dependency": staticmethod(make), "use_cache": False})()
    assert marker(theirs) == Depends(make, use_cache=False)


def test_anything_else_is_none() -> None:
    empty = type("Depends", (), {"dependency": None})()
    assert [marker(each) for each in (None, 3, make, empty)] == [None] * 4
