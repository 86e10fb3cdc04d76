from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker.totals import QueueTotals
from openmessaging.server import rates as module
from openmessaging.server.latency import Latency
from openmessaging.server.rates import KEPT, QueueRate, Rates


def totals(name, stored, settled, in_flight=0):
    return QueueTotals(name, stored, stored, 0, settled, stored - settled, in_flight)


def test_rates_are_per_second_whatever_the_time_between():
    rates = Rates()
    assert rates.newest() is None
    first = rates.take(1_000, [totals("a", 100, 50)], 1, None)
    assert (first.stored, first.settled, first.lag, first.send_p50_ms) == (0, 0, 50, None)
    second = rates.take(3_000, [totals("a", 300, 150, 7), totals("b", 10, 0)], 2, Latency(5, 0.1, 0.9))
    assert (second.stored, second.settled, second.lag, second.in_flight) == (105, 50, 160, 7)
    newest = rates.newest()
    assert newest is not None
    assert newest.busy == [QueueRate("a", 100, 50, 150, 7), QueueRate("b", 5, 0, 10, 0)]
    assert (newest.connections, newest.send_p50_ms, newest.send_p99_ms) == (2, 0.1, 0.9)
    one = rates.newest("b")
    assert one is not None
    assert (one.stored, one.lag, one.busy) == (5, 10, [])
    series = rates.series()
    assert (series.at_ms, series.stored, series.send_p99_ms) == ([1_000, 3_000], [0, 105], [None, 0.9])


def test_a_group_that_goes_back_has_no_negative_rate():
    rates = Rates()
    rates.take(0, [totals("a", 10, 10)], 0, None)
    assert rates.take(1_000, [totals("a", 10, 0)], 0, None).settled == 0
    assert rates.series("a").lag == [10, 10]  # before it first moved, nobody knows


def test_queues_that_stood_still_or_are_gone_have_no_ring():
    rates = Rates()
    rates.take(0, [totals("a", 0, 0), totals("b", 0, 0)], 0, None)
    rates.take(1, [totals("a", 1, 0), totals("b", 1, 0)], 0, None)
    rates.take(2, [totals("a", 1, 0)], 0, None)
    assert rates.series("b").lag == [0, 0, 0]
    for number in range(KEPT):
        rates.take(3 + number, [totals("a", 1, 0)], 0, None)
    assert not rates._rings
    assert rates.series("a").lag == [1] * KEPT


def test_rings_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_RINGS", 1)
    rates = Rates()
    rates.take(0, [], 0, None)
    rates.take(1_000, [totals("a", 1, 0), totals("b", 2, 0)], 0, None)
    assert list(rates._rings) == ["a"]
    assert rates.series("b").lag == [2, 2]
    for number in range(2, 2 * KEPT):
        rates.take(number * 1_000, [totals("a", number, 0)], 0, None)
    assert len(rates._rings["a"]) == 5 * KEPT
    assert rates.series("a").stored == [1] * KEPT


@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=2), min_size=2, max_size=20))
def test_a_queue_s_series_is_what_it_did(steps):
    """Against a list of what was told, sample by sample; queues stand still in some of them."""
    rates = Rates()
    told = {"a": [], "b": []}
    sums = {"a": 0, "b": 0}
    for number, step in enumerate(steps):
        for name, more in zip("ab", step, strict=True):
            sums[name] += more
            told[name].append((more if number else 0, sums[name]))
        rates.take(number * 1_000, [totals(name, stored, 0) for name, stored in sums.items()], 0, None)
    for name, rows in told.items():
        series = rates.series(name)
        assert series.stored == [stored for stored, _ in rows]
        known = next((at for at, (stored, _) in enumerate(rows) if stored), 0)
        assert series.lag[known:] == [lag for _, lag in rows][known:]
