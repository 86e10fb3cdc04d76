"""Requests and messages of qos 1 on a disk that loses power: nothing is handled twice; and what is planted is found."""

import pytest

from openmessaging.broker import handover
from openmessaging.broker.entry import Expiring
from openmessaging.drivers.embedded.threads import BlockingSubscription
from openmessaging.runtime.replies import Calls
from openmessaging.runtime.threads.service import ServiceEndpoint
from openmessaging.simulation import calls
from openmessaging.simulation.calls import main, run_seed

SEEDS = range(50)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold(seed):
    _, run, failure = run_seed(seed)
    assert failure is None, f"seed {seed}: {failure!r}; crashes: {run.crashes if run else 'at the first opening'}"


def test_a_seed_replays_exactly():
    assert run_seed(7)[0] == run_seed(7)[0] != run_seed(8)[0]


def found_out():
    return any(isinstance(run_seed(seed)[2], AssertionError) for seed in range(40))


def test_a_settlement_that_is_not_on_the_disk_is_found_out(monkeypatch):
    monkeypatch.setattr(BlockingSubscription, "flush", lambda self: None)
    assert found_out()


def test_a_consumer_that_settles_afterwards_is_found_out(monkeypatch):
    monkeypatch.setattr(calls, "settle_first", lambda messages: messages)
    assert found_out()


def test_a_service_that_settles_plain_messages_afterwards_is_found_out(monkeypatch):
    monkeypatch.setattr(ServiceEndpoint, "_settle_first", lambda self, request, running: None)
    assert found_out()


def test_a_service_that_handles_what_another_had_is_found_out(monkeypatch):
    whole = ServiceEndpoint._refusal

    def careless(self, request, arrived):
        refused = whole(self, request, arrived)
        return None if refused and request.time_left else refused

    monkeypatch.setattr(ServiceEndpoint, "_refusal", careless)
    assert found_out()


def test_a_service_that_asks_nobody_who_waits_is_found_out(monkeypatch):
    monkeypatch.setattr(ServiceEndpoint, "_refusal", lambda self, request, arrived: None)
    assert found_out()


def test_a_record_of_a_hand_over_that_settles_nothing_is_found_out(monkeypatch):
    monkeypatch.setattr(handover, "HandOver", lambda group_id, partition_id, start, end: Expiring(partition_id, 0))
    assert found_out()


def test_a_requester_that_takes_any_answer_is_found_out(monkeypatch):
    def anybody(self, mail):
        for call in list(self._open.values()):
            if call.take(mail):
                break

    monkeypatch.setattr(Calls, "land", anybody)
    assert found_out()


def test_the_command_says_how_many_crashes_there_were(capsys):
    assert main(["--seeds", "2"]) == 0
    assert "2 seeds" in capsys.readouterr().out
