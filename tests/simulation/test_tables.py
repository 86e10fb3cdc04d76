import pytest

from openmessaging.broker.compaction import Pass
from openmessaging.simulation.tables import main, run_seed


@pytest.mark.parametrize("seed", range(40))
def test_promises_hold(seed):
    _, run, failure = run_seed(seed)
    assert failure is None, f"seed {seed}: {failure!r}; faults: {run.faults if run else 'at the first opening'}"


def test_a_seed_replays_exactly_and_compacts():
    trace, run, _ = run_seed(7)
    assert run_seed(7)[0] == trace != run_seed(8)[0]
    assert run.passes > 2


def test_a_pass_that_drops_too_much_is_found_out(monkeypatch, capsys):
    monkeypatch.setattr(Pass, "_tombstones_before", lambda self: (1 << 60, 1 << 60))
    plain = Pass._keep

    def keep(self, stored, lost_before):
        stored[2][0].data = b""  # the first of each batch is taken for a tombstone
        plain(self, stored, lost_before)

    monkeypatch.setattr(Pass, "_keep", keep)
    assert main(["--seeds", "3"]) == 1
    assert "3 seeds" in capsys.readouterr().out
