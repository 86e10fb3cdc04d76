import time

from openmessaging.system.clock import SystemClock


def test_the_clocks_are_those_of_the_machine() -> None:
    clock = SystemClock()
    before = time.time() * 1000
    assert before - 1 <= clock.now_ms() <= time.time() * 1000 + 1
    first = clock.monotonic()
    assert first <= clock.monotonic()
