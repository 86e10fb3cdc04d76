"""Receiving with a condition, decided by the engine: what is handed out, what is settled on the way, and replays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from openmessaging.broker import filtering, key_order
from openmessaging.broker.describe import describe_group
from openmessaging.broker.entry import Lease, Select, Skip
from openmessaging.broker.group import Group
from tests.broker.harness import QUEUE, Broker, code_of

RED, BLUE = "color = 'r'", "color = 'b'"


@pytest.fixture
def broker() -> Broker:
    return Broker()


def received(broker: Broker, group: Group, count: int = 100, bound: Any = None) -> list[Lease]:
    """What one receive hands out, each a piece without a gap."""
    entry = broker.engine.decide_receive(broker.now, group, count, bound or (lambda _, __, end: end))
    if entry.operations:
        broker.do(entry)
    return filtering.leases(entry)


def spans(leases: list[Lease]) -> list[tuple[int, int]]:
    return [(lease.start, lease.end) for lease in leases]


def floor(group: Group) -> int:
    return group.cursors[0].floor()


def test_matches_come_under_one_lease_and_misses_are_settled(broker: Broker) -> None:
    broker.coloured("brrbrb")
    group = broker.join(filter=RED)
    leases = received(broker, group)
    assert spans(leases) == [(1, 3), (4, 5)]
    assert {lease.lease_id for lease in leases} == {1}
    assert (floor(group), group.lag(), group.in_flight()) == (1, 3, 3)
    broker.ack(group, 1)
    assert (floor(group), group.lag()) == (6, 0)


def test_what_does_not_match_moves_the_place_and_gives_no_lease(broker: Broker) -> None:
    broker.coloured("bbbb")
    group = broker.join(filter=RED)
    entry = broker.engine.decide_receive(broker.now, group, 10, lambda _, __, end: end)
    assert entry.operations == [Select(0, group.id, 1, 4, [], entry.operations[0].deadline_ms)]
    broker.do(entry)
    assert floor(group) == 4
    assert not broker.engine.leases
    assert not broker.engine.decide_receive(broker.now, group, 10, lambda _, __, end: end).operations


def test_only_as_many_as_are_wanted_and_the_rest_later(broker: Broker) -> None:
    broker.coloured("rbrbrbr")
    group = broker.join(filter=RED)
    assert spans(received(broker, group, 2)) == [(0, 1), (2, 3)]
    assert group.cursors[0].next == 3
    assert spans(received(broker, group, 2)) == [(4, 5), (6, 7)]


def test_the_bound_cuts_and_the_rest_comes_next(broker: Broker) -> None:
    broker.coloured("rrrbrr")
    group = broker.join(filter=RED)
    assert spans(received(broker, group, bound=lambda _, __, end: min(end, 2))) == [(0, 2)]
    assert group.cursors[0].next == 2
    assert spans(received(broker, group, bound=lambda _, __, end: min(end, 4))) == [(2, 3)]
    assert group.cursors[0].next == 4
    assert spans(received(broker, group)) == [(4, 6)]


def test_a_bound_that_lets_nothing_out_changes_nothing(broker: Broker) -> None:
    broker.coloured("rr")
    group = broker.join(filter=RED)
    assert received(broker, group, bound=lambda _, start, __: start) == []
    assert group.cursors[0].next == 0


def test_one_receive_looks_at_a_bounded_number(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "MAX_LOOKED", 10)
    broker.coloured("b" * 30 + "r")
    group = broker.join(filter=RED)
    assert [received(broker, group) for _ in range(3)] == [[], [], []]
    assert group.cursors[0].next == 30
    assert spans(received(broker, group)) == [(30, 31)]


def test_one_receive_reads_a_bounded_number_of_bytes(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "MAX_LOOKED_BYTES", 250)
    broker.coloured("b" * 40)
    group = broker.join(filter=RED)
    received(broker, group)
    assert group.cursors[0].next == 15


def test_retries_come_again_with_their_count(broker: Broker) -> None:
    broker.coloured("rbr")
    group = broker.join(filter=RED)
    received(broker, group)
    broker.nack(group, 1, delay=0)
    leases = received(broker, group)
    assert spans(leases) == [(0, 1), (2, 3)]
    assert {lease.attempt for lease in leases} == {2}


def test_a_new_condition_counts_for_retries_too(broker: Broker) -> None:
    broker.coloured("rbrrb")
    group = broker.join()
    received(broker, group)
    broker.release(group, 1)
    broker.do(broker.engine.decide_update_group(broker.now, QUEUE, "g", {"filter": RED}))
    entry = broker.engine.decide_receive(broker.now, group, 10, lambda _, __, end: end)
    assert Skip(group.id, 1, [(1, 2), (4, 5)]) in entry.operations
    broker.do(entry)
    assert spans(filtering.leases(entry)) == [(0, 1), (2, 4)]


def test_the_conditions_of_queue_and_group_must_both_hold(broker: Broker) -> None:
    broker.coloured("rbg")
    group = broker.join(filter="color <> 'g'")
    broker.do(broker.engine.decide_update_queue(broker.now, QUEUE, {"filter": "color <> 'b'"}))
    assert spans(received(broker, group)) == [(0, 1)]
    other = broker.join("other")
    assert spans(received(broker, other)) == [(0, 1), (2, 3)]
    broker.do(broker.engine.decide_update_queue(broker.now, QUEUE, {"filter": None}))
    assert spans(received(broker, broker.join("third"))) == [(0, 3)]


def test_a_wrong_condition_is_refused(broker: Broker) -> None:
    broker.coloured("r")
    engine = broker.engine
    assert code_of(broker.join, filter="color =") == 1418
    assert code_of(engine.decide_update_queue, broker.now, QUEUE, {"filter": "upper(color) = 'R'"}) == 1418
    broker.join()
    assert code_of(engine.decide_update_group, broker.now, QUEUE, "g", {"filter": "5"}) == 1418


def test_key_order_holds_among_matches(broker: Broker) -> None:
    broker.coloured("rbrrr", "aaaab")
    group = broker.join(order="key", filter=RED)
    (first, other) = received(broker, group)
    assert spans([first, other]) == [(0, 1), (4, 5)]
    assert received(broker, group) == []
    broker.ack(group, first.lease_id)
    (second,) = received(broker, group)
    assert spans([second]) == [(2, 3)]
    broker.nack(group, second.lease_id, delay=5)
    assert received(broker, group) == []
    broker.now += 5_000
    (again,) = received(broker, group)
    assert (again.start, again.attempt) == (2, 2)
    broker.ack(group, again.lease_id)
    (third,) = received(broker, group)
    broker.ack(group, third.lease_id)
    broker.ack(group, other.lease_id)
    assert (floor(group), group.lag()) == (5, 0)


def test_key_order_settles_misses_a_bounded_number_at_a_time(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_order, "MAX_MISSED", 10)
    monkeypatch.setattr(key_order, "_CHUNK", 8)
    broker.coloured("b" * 40 + "r", "a" * 41)
    group = broker.join(order="key", filter=RED)
    assert received(broker, group) == []
    assert group.cursors[0].next == 16
    assert received(broker, group) == []
    assert spans(received(broker, group)) == [(40, 41)]
    assert not len(group.cursors[0].waiting)


def test_key_order_an_entry_that_was_not_applied_is_decided_again(broker: Broker) -> None:
    broker.coloured("brb", "aaa")
    group = broker.join(order="key", filter=RED)
    lost = broker.engine.decide_receive(broker.now, group, 10, lambda _, __, end: end)
    entry = broker.engine.decide_receive(broker.now, group, 10, lambda _, __, end: end)
    assert entry.operations == lost.operations
    broker.do(entry)
    broker.ack(group, 1)
    assert (floor(group), group.lag()) == (3, 0)


def test_key_order_a_new_condition_frees_what_stands_behind_a_miss(broker: Broker) -> None:
    broker.coloured("brb", "aaa")
    group = broker.join(order="key", filter="color <> 'g'")
    (head,) = received(broker, group)
    broker.do(broker.engine.decide_update_group(broker.now, QUEUE, "g", {"filter": RED}))
    assert received(broker, group) == []  # the head of the line is in somebody's hands still
    broker.nack(group, head.lease_id, delay=0)
    assert received(broker, group) == []  # it does not match any more: settled
    (second,) = received(broker, group)
    assert spans([second]) == [(1, 2)]
    broker.ack(group, second.lease_id)
    received(broker, group)
    assert (floor(group), group.lag()) == (3, 0)


class FilteringMachine(RuleBasedStateMachine):
    """Groups with conditions that change: only matches are handed out, and at the end every match was."""

    @initialize()
    def begin(self) -> None:
        self.broker = Broker()
        self.broker.do(self.broker.engine.decide_create_queue(0, QUEUE, 2, {}))
        self.groups = {
            "free": self.broker.join("free", filter=RED, max_delivery=1_000, invisible_time=10),
            "keyed": self.broker.join("keyed", order="key", filter=RED, max_delivery=1_000, invisible_time=10),
        }
        self.colours: dict[tuple[int, int], tuple[str, str]] = {}
        self.taken: dict[str, set[tuple[int, int]]] = {name: set() for name in self.groups}
        self.held: list[tuple[str, Lease]] = []
        self.owed: dict[str, set[tuple[int, int]]] = {name: set() for name in self.groups}

    @rule(
        colours=st.text("rrb", min_size=1, max_size=12),
        keys=st.text("ab-", max_size=12),
        partition=st.integers(0, 1),
        priority=st.sampled_from([None, None, 9]),
    )
    def send(self, colours: str, keys: str, partition: int, priority: int | None) -> None:
        keys = keys[: len(colours)].ljust(len(colours), "-")
        entry = self.broker.coloured(colours, keys, partition=partition, priority=priority)
        placed = entry.placed[0]
        for at, (colour, key) in enumerate(zip(colours, keys, strict=True)):
            place = placed.partition_id, placed.base_offset + at
            self.colours[place] = colour, key
            for name, group in self.groups.items():
                if self.matches(group, colour):
                    self.owed[name].add(place)

    def matches(self, group: Group, colour: str) -> bool:
        condition = group.condition()
        return condition is None or condition.matches({"color": colour})

    @rule(name=st.sampled_from(["free", "keyed"]), count=st.integers(1, 6))
    def receive(self, name: str, count: int) -> None:
        group = self.broker.engine.groups[self.groups[name].id]
        leases = received(self.broker, group, count)
        assert sum(lease.end - lease.start for lease in leases) <= count
        for lease in leases:
            for offset in range(lease.start, lease.end):
                place = lease.partition_id, offset
                colour, key = self.colours[place]
                assert self.matches(group, colour)
                assert place not in self.taken[name]
                if name == "keyed" and key != "-":
                    busy = {
                        self.colours[other.partition_id, at][1]
                        for who, other in self.held
                        if who == name and other.partition_id == lease.partition_id
                        for at in range(other.start, other.end)
                    }
                    assert key not in busy
            self.held.append((name, lease))

    @rule(at=st.integers(0, 1_000), how=st.sampled_from(["ack", "ack", "nack", "release"]))
    def settle(self, at: int, how: str) -> None:
        if not self.held:
            return
        name, lease = self.held.pop(at % len(self.held))
        offsets = list(range(lease.start, lease.end))
        group = self.groups[name]
        if how == "ack":
            self.broker.ack(group, lease.lease_id, offsets)
            self.taken[name].update((lease.partition_id, offset) for offset in offsets)
        elif how == "nack":
            self.broker.nack(group, lease.lease_id, offsets)
        else:
            self.broker.release(group, lease.lease_id, offsets)

    @rule(name=st.sampled_from(["free", "keyed"]), text=st.sampled_from([RED, BLUE, None]))
    def change(self, name: str, text: str | None) -> None:
        self.broker.do(self.broker.engine.decide_update_group(self.broker.now, QUEUE, name, {"filter": text}))
        self.expect_less(name)

    @rule(text=st.sampled_from([RED, BLUE, None]))
    def change_queue(self, text: str | None) -> None:
        self.broker.do(self.broker.engine.decide_update_queue(self.broker.now, QUEUE, {"filter": text}))
        for name in self.groups:
            self.expect_less(name)

    def expect_less(self, name: str) -> None:
        """What does not match now may be passed over; what matched all the time must come."""
        group = self.groups[name]
        self.owed[name] = {place for place in self.owed[name] if self.matches(group, self.colours[place][0])}

    @rule()
    def wait(self) -> None:
        self.broker.now += 11_000
        self.broker.tick()
        self.held.clear()

    @rule()
    def restart(self) -> None:
        assert self.broker.replayed().snapshot() == self.broker.engine.snapshot()
        self.broker.restart()
        release = self.broker.engine.decide_release_all(self.broker.now)
        if release is not None:
            self.broker.do(release)
        self.held.clear()
        self.groups = {name: self.broker.engine.group(QUEUE, name) for name in self.groups}

    @invariant()
    def every_number_adds_up(self) -> None:
        for name, group in getattr(self, "groups", {}).items():
            info = describe_group(group, self.broker.contents)
            assert info.in_flight == sum(lease.end - lease.start for who, lease in self.held if who == name)

    def teardown(self) -> None:
        if not hasattr(self, "groups"):
            return
        self.wait()
        for name in self.groups:
            for _ in range(1_000):
                self.broker.now += 400_000
                self.receive(name, 50)
                while self.held:
                    self.settle(0, "ack")
                if not self.groups[name].lag():
                    break
            assert self.groups[name].lag() == 0
            assert self.owed[name] <= self.taken[name]
        assert self.broker.replayed().snapshot() == self.broker.engine.snapshot()


FilteringMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestFilteringMachine = FilteringMachine.TestCase
