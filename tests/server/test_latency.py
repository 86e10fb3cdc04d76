import pytest

from openmessaging.server.latency import Latency, Recent


def test_each_look_tells_what_came_since_the_last():
    recent = Recent([0.001, 0.01, 0.1])
    assert recent.take([0, 0, 0, 0]) is None
    assert recent.take([100, 0, 0, 0]) == Latency(100, 0.5, 0.99)
    assert recent.take([100, 50, 50, 0]) == Latency(100, 10.0, 98.2)
    assert recent.take([100, 50, 50, 0]) is None


@pytest.mark.parametrize(("counts", "p99"), [([0, 0, 0, 5], 100.0), ([98, 0, 0, 2], 100.0), ([0, 1, 0, 0], 9.91)])
def test_what_is_beyond_the_last_bound_counts_as_that(counts, p99):
    found = Recent([0.001, 0.01, 0.1]).take(counts)
    assert found is not None
    assert found.p99_ms == pytest.approx(p99)
