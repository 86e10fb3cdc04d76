import pytest

from openmessaging.broker.key_order import InFlight, KeyOrder
from openmessaging.simulation.broker import run_seed
from openmessaging.simulation.order import OrderRun

SEEDS = range(50)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold(seed):
    _, run, failure = run_seed(seed, OrderRun)
    assert failure is None, f"seed {seed}: {failure!r}; faults: {run.faults if run else 'at the first opening'}"


def test_a_seed_replays_exactly():
    assert run_seed(7, OrderRun)[0] == run_seed(7, OrderRun)[0] != run_seed(8, OrderRun)[0]


def found_out():
    return any(isinstance(run_seed(seed, OrderRun)[2], AssertionError) for seed in range(12))


def test_lanes_that_do_not_know_of_each_other_are_found_out(monkeypatch):
    monkeypatch.setattr(InFlight, "claim", lambda *_: True)
    assert found_out()


def test_a_failed_message_that_lets_the_next_go_first_is_found_out(monkeypatch):
    returned = KeyOrder.returned

    def step_aside(self, start, end, visible_ms):
        for offset in range(start, end):
            line = self._lines.get(self._keys.get(offset), ())
            if len(line) > 1:
                line.rotate(-1)
                self.step_forward(line[0])
        return returned(self, start, end, visible_ms)

    monkeypatch.setattr(KeyOrder, "returned", step_aside)
    assert found_out()
