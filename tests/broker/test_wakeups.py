from openmessaging.broker.wakeups import Wakeups


def test_each_is_called_once_and_by_its_key():
    wakeups, calls = Wakeups(), []
    for key, name in ((1, "a"), (1, "b"), (2, "c")):
        wakeups.add(key, lambda name=name: calls.append(name))
    wakeups.fire([1, 3])
    wakeups.fire([1])
    assert calls == ["a", "b"]
    wakeups.fire_all()
    wakeups.fire_all()
    assert calls == ["a", "b", "c"]
    assert wakeups.waiting == {}


def test_a_registration_can_be_taken_back():
    wakeups, calls = Wakeups(), []
    wakeups.add(1, calls.clear)
    wakeups.add(1, calls.copy)
    wakeups.forget(1, calls.clear)
    wakeups.forget(1, calls.clear)
    wakeups.forget(2, calls.clear)
    assert wakeups.waiting == {1: [calls.copy]}
    wakeups.forget(1, calls.copy)
    assert wakeups.waiting == {}
