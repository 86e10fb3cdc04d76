"""Transactions on a disk that loses power: no half effect, none twice; and what is planted is found."""

import pytest

from openmessaging.broker.once import Once
from openmessaging.broker.transactor import Transactor
from openmessaging.simulation.effects import Effects
from openmessaging.simulation.transactions import main, run_seed

SEEDS = range(50)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold(seed):
    _, run, failure = run_seed(seed)
    assert failure is None, f"seed {seed}: {failure!r}; crashes: {run.crashes if run else 'at the first opening'}"


def test_a_seed_replays_exactly():
    assert run_seed(7)[0] == run_seed(7)[0] != run_seed(8)[0]


def found_out():
    return any(isinstance(run_seed(seed)[2], AssertionError) for seed in range(20))


def test_a_commit_in_two_steps_is_found_out(monkeypatch):
    """The results first, then the acknowledgements: a crash in between makes the work be done twice."""
    whole = Transactor.commit

    def in_two_steps(self, batches, settled):
        if not settled:
            return whole(self, batches, settled)
        placements = self._runner.send(batches)
        for each in settled:
            self._runner.ack(each.group_id, each.lease_id, each.offsets)
        return placements

    monkeypatch.setattr(Transactor, "commit", in_two_steps)
    assert found_out()


def test_a_commit_queue_by_queue_is_found_out(monkeypatch):
    whole = Transactor.commit

    def one_by_one(self, batches, settled):
        placements = [placement for batch in batches[:-1] for placement in whole(self, [batch], [])]
        return placements + whole(self, batches[-1:], settled)

    monkeypatch.setattr(Transactor, "commit", one_by_one)
    assert found_out()


def test_a_store_that_forgets_what_it_stored_once_is_found_out(monkeypatch):
    monkeypatch.setattr(Once, "find", lambda self, queue, unique, count, oldest_ms: None)
    assert found_out()


def test_the_command_says_how_many_crashes_there_were(capsys):
    assert main(["--seeds", "2"]) == 0
    assert "2 seeds, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "told", "complaint"),
    [
        ({"a": ["x"], "b": []}, None, "half an effect"),
        ({"a": ["x", "x"], "b": ["x"]}, None, "2 times"),
        ({"a": ["y"], "b": []}, None, "does not belong"),
        ({"a": [], "b": []}, "done", "was told"),
        ({"a": ["x"], "b": ["x"]}, "undone", "was told"),
    ],
)
def test_effects_that_cannot_be(found, told, complaint):
    effects = Effects()
    effects.begin("x", ("a", "b"))
    if told:
        getattr(effects, told)("x")
    with pytest.raises(AssertionError, match=complaint):
        effects.check(found)


def test_what_nobody_knows_may_be_there_or_not():
    effects = Effects()
    effects.begin("x", ("a", "b"))
    assert effects.check({"a": ["x"], "b": ["x"]}) == {"x": True}
    assert effects.check({"a": [], "b": []}) == {"x": False}
