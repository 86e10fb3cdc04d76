import pytest

from openmessaging.broker.cursor import Cursor
from openmessaging.filters import Condition
from openmessaging.simulation.broker import run_seed
from openmessaging.simulation.filters import FilterRun

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold(seed):
    _, run, failure = run_seed(seed, FilterRun)
    assert failure is None, f"seed {seed}: {failure!r}; faults: {run.faults if run else 'at the first opening'}"


def test_a_seed_replays_exactly():
    assert run_seed(7, FilterRun)[0] == run_seed(7, FilterRun)[0] != run_seed(8, FilterRun)[0]


def found_out():
    return any(isinstance(run_seed(seed, FilterRun)[2], AssertionError) for seed in range(12))


def test_a_miss_that_waits_for_ever_is_found_out(monkeypatch):
    monkeypatch.setattr(Cursor, "skip", lambda self, start, end: None)
    assert any(run_seed(seed, FilterRun)[2] is not None for seed in range(3))


def test_a_match_that_is_passed_over_is_found_out(monkeypatch):
    init = Condition.__init__

    def forgetful(self, text, root):
        init(self, text, root)
        select = self.select
        self.select = lambda records, at, header: select(records, at, header)[:3]

    monkeypatch.setattr(Condition, "__init__", forgetful)
    from openmessaging.filters import compile_condition

    compile_condition.cache_clear()
    try:
        assert found_out()
    finally:
        compile_condition.cache_clear()
