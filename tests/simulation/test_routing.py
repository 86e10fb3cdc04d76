"""Routes on a disk that loses power: no half effect, none twice, none lost; and what is planted is found."""

import pytest
from msgspec.structs import replace

from openmessaging.broker import route, router, routing
from openmessaging.broker.entry import Entry
from openmessaging.broker.forwarding import Forwarding
from openmessaging.broker.route import StoredRoute
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.routing import steps
from openmessaging.simulation.routing import main, run_seed

SEEDS = range(30)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold(seed):
    _, run, failure = run_seed(seed)
    assert failure is None, f"seed {seed}: {failure!r}; crashes: {run.crashes if run else 'at the first opening'}"


def test_a_seed_replays_exactly():
    assert run_seed(7)[0] == run_seed(7)[0] != run_seed(8)[0]


def found_out():
    return any(isinstance(run_seed(seed)[2], AssertionError) for seed in range(15))


def in_two_steps(first, second):
    """A step whose entry is written as two, each with a part of it."""

    def step_locked(self, route):
        runner = self._runner
        bound = runner.contents.reach(1 << 20)
        entry = routing.decide_step(runner.engine, route, runner.tick_locked(), bound, 2_000)
        if entry.operations:
            for part in (first, second):
                runner.stage_locked(part(entry), reserved=False)
            self._ready[route.group_id] = None

    return step_locked


def without_sends(entry):
    return Entry(entry.now_ms, entry.operations)


def only_sends(entry):
    return Entry(entry.now_ms, (), entry.placed, entry.batches)


@pytest.mark.parametrize("parts", [(only_sends, without_sends), (without_sends, only_sends)])
def test_a_step_in_two_entries_is_found_out(monkeypatch, parts):
    """What went on before the place moves comes twice after a crash, and the other way round it is lost."""
    monkeypatch.setattr(router.Router, "_step_locked", in_two_steps(*parts))
    assert found_out()


def test_a_target_that_is_left_out_is_found_out(monkeypatch):
    """Half an effect."""
    whole = Forwarding.forward_whole

    def first_target_only(self, piece):
        if piece.base % 7 == 3:
            self._targets = self._targets[:1]
        return whole(self, piece)

    monkeypatch.setattr(Forwarding, "forward_whole", first_target_only)
    assert found_out()


def test_a_deduplicator_that_forgets_is_found_out(monkeypatch):
    monkeypatch.setattr(StoredRoute, "remember", lambda self, seen: None)
    assert found_out()


def test_a_snapshot_without_what_was_seen_is_found_out(monkeypatch):
    whole = route.dump
    monkeypatch.setattr(route, "dump", lambda routes: [replace(each, seen=[]) for each in whole(routes)])
    assert found_out()


def test_a_commit_of_a_function_in_two_steps_is_found_out(monkeypatch):
    whole = BlockingEmbeddedDriver.commit

    def one_after_the_other(self, batches, settlements):
        whole(self, batches, ())
        return whole(self, (), settlements)

    monkeypatch.setattr(BlockingEmbeddedDriver, "commit", one_after_the_other)
    assert found_out()


def test_a_sample_that_is_drawn_is_found_out(monkeypatch):
    drawn = iter(range(1 << 30))
    monkeypatch.setattr(steps, "hashed", lambda _: next(drawn) % 10 / 10)
    assert found_out()


def test_the_command_says_how_many_crashes_there_were(capsys):
    assert main(["--seeds", "2"]) == 0
    assert "2 seeds, " in capsys.readouterr().out
