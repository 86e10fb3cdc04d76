from openmessaging.model.message import Message, Record
from openmessaging.runtime.choice import choice


def test_choices():
    message = Message(Record(b"", "k", {"color": "red", "n": 2}), "q")
    assert choice(None)(message)
    assert choice({"key": "k", "color": "red", "n": 2})(message)
    for wrong in ({"key": "x"}, {"color": "blue"}, {"none": 1}, {"n": "2"}):
        assert not choice(wrong)(message)
    assert not choice(lambda _: False)(message)
