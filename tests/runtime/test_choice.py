import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Message, Record
from openmessaging.runtime.choice import choice


def test_choices():
    message = Message(Record(b"", "k", {"color": "red", "n": 2}), "q")
    assert choice(None)(message)
    assert choice({"key": "k", "color": "red", "n": 2})(message)
    for wrong in ({"key": "x"}, {"color": "blue"}, {"none": 1}, {"n": "2"}):
        assert not choice(wrong)(message)
    assert not choice(lambda _: False)(message)


def test_choices_by_a_condition():
    message = Message(Record(b"", "k", {"color": "red", "n": 2}), "q")
    for right in ("color = 'red' AND n > 1", "header.messageKey = 'k'", "header.priority = 5", "missing IS NULL"):
        assert choice(right)(message)
    for wrong in ("color = 'blue'", "n > 2", "missing = 1", "header.messageKey = 'l'"):
        assert not choice(wrong)(message)
    with pytest.raises(OMSRuntimeException, match="column") as caught:
        choice("n >")
    assert (caught.value.code, caught.value.field) == (1418, "filter")
