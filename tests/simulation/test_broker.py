import pytest

from openmessaging.simulation.broker import run_seed
from openmessaging.simulation.disk import SimulatedFile

SEEDS = range(50)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold(seed):
    _, run, failure = run_seed(seed)
    assert failure is None, f"seed {seed}: {failure!r}; faults: {run.faults if run else 'at the first opening'}"


def test_a_seed_replays_exactly():
    assert run_seed(7)[0] == run_seed(7)[0] != run_seed(8)[0]


def test_a_disk_that_does_not_sync_is_found_out(monkeypatch):
    monkeypatch.setattr(SimulatedFile, "write_durable", SimulatedFile.write_at)
    monkeypatch.setattr(SimulatedFile, "sync", lambda self: None)
    assert any(run_seed(seed)[2] is not None for seed in range(10))
