"""The engine against a naive model: a dictionary per message, no ranges, no heaps."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openmessaging.broker.describe import describe_group, describe_queue
from openmessaging.broker.entry import CreateQueue, Entry, ReleaseAll, Retry, Settle, Trim
from openmessaging.model.message import Record
from tests.broker.harness import Broker, code_of, config
from tests.broker.naive import Held, Letter, Membership, NaiveQueue

QUEUES = {"default://one": 1, "default://two": 2}
Places = set[tuple[int, int]]  # partition, offset
GROUPS = ("free", "keyed")
MAX_DELIVERY = 2
INVISIBLE_MS = 10_000


class EngineMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.broker = Broker(sync=False)
        self.queues: dict[str, NaiveQueue] = {}
        self.held: dict[int, Held] = {}
        self.over: list[tuple[str, str, int]] = []
        self.count = 0
        for name, partitions in QUEUES.items():
            self.create(name, partitions)
            for group in GROUPS:
                self.join(name, group)
        self.send("default://one", "ab-aabc-a", 0, None)
        self.send("default://one", "ab-", 0, 9)
        self.send("default://two", "abca--", 1, None)
        self.become_durable()

    def create(self, name: str, partitions: int) -> None:
        self.broker.do(self.broker.engine.decide_create_queue(self.broker.now, name, partitions, {"retention_age": 1}))
        self.queues[name] = NaiveQueue([[] for _ in range(partitions)], [0] * partitions, [0] * partitions)

    def join(self, name: str, group: str) -> None:
        order = "key" if group == "keyed" else "none"
        settings = config(order=order, invisible_time=INVISIBLE_MS / 1000, max_delivery=MAX_DELIVERY, jitter=0.5)
        engine = self.broker.engine
        self.broker.do(engine.decide_create_group(self.broker.now, name, group, settings))
        queue = self.queues[name]
        if group not in queue.groups:
            open_ = {
                (number, offset): Letter()
                for number, messages in enumerate(queue.partitions)
                for offset in range(queue.starts[number], len(messages))
            }
            queue.groups[group] = Membership(order == "key", open_)

    # ---- what the model does -------------------------------------------------------------------------------------

    def membership(self, held: Held) -> Membership:
        return self.queues[held.place[0]].groups[held.place[1]]

    def leave(self, lease_id: int, offsets: set[int], *, deliveries: int | None, visible_ms: int = 0) -> None:
        """Offsets leave a lease: settled (deliveries None) or back in the queue."""
        held = self.held[lease_id]
        group = self.membership(held)
        assert offsets <= held.left
        for offset in offsets:
            if deliveries is None:
                del group.open[held.number, offset]
            else:
                group.open[held.number, offset] = Letter(deliveries, visible_ms)
        held.left -= offsets
        if not held.left:
            self.forget(lease_id)

    def forget(self, lease_id: int) -> None:
        held = self.held.pop(lease_id)
        self.over.append((*held.place, lease_id))

    def fail(self, entry: Entry, wanted: dict[int, set[int]], delay_ms: int | None, *, last: bool = False) -> None:
        """Check and model what became of failed messages: put off, or dead letters."""
        now = self.broker.now
        placed = iter(zip(entry.placed, entry.batches, strict=True))
        by_lease = {
            operation.lease_id: operation for operation in entry.operations if isinstance(operation, Retry | Settle)
        }
        assert by_lease.keys() == wanted.keys()
        created = {operation.name for operation in entry.operations if isinstance(operation, CreateQueue)}
        for lease_id, operation in by_lease.items():
            held, offsets = self.held[lease_id], set(wanted[lease_id])
            if held.attempt < MAX_DELIVERY and not last:
                assert isinstance(operation, Retry)
                base = 1000 * 2 ** (held.attempt - 1)
                waits = operation.visible_ms - now
                assert waits == delay_ms if delay_ms is not None else base * 0.5 <= waits <= base * 1.5
                self.leave(lease_id, offsets, deliveries=held.attempt, visible_ms=operation.visible_ms)
                continue
            assert isinstance(operation, Settle)
            name = f"{held.place[0]}.{held.place[1]}.dead-letter"
            assert (name in created) == (name not in self.queues)
            self.queues.setdefault(name, NaiveQueue([[]], [0], [0]))
            created.discard(name)
            where, _ = next(placed)
            queue = self.queues[name]
            engine_queue = self.broker.engine.queues[name]
            assert where.partition_id == engine_queue.partitions[0].id
            assert where.base_offset == len(queue.partitions[0])
            source = self.queues[held.place[0]]
            origin = source.partitions[held.number]
            self.queues[name].append(0, [origin[offset] for offset in sorted(offsets)])
            self.membership(held).behind |= {source.key_at(held.number, offset) for offset in offsets} - {None}
            self.leave(lease_id, offsets, deliveries=None)
        assert not created
        assert next(placed, None) is None

    # ---- rules -----------------------------------------------------------------------------------------------------

    @rule(
        name=st.sampled_from(sorted(QUEUES)),
        keys=st.text("abc-", min_size=1, max_size=6),
        number=st.sampled_from([0, 1, None]),
        priority=st.sampled_from([None, None, 1, 5, 9]),
    )
    def send(self, name: str, keys: str, number: int | None, priority: int | None) -> None:
        if name not in self.queues:
            self.create(name, QUEUES[name])
        if number is not None and number >= QUEUES[name]:
            return
        messages = [(None if key == "-" else key, str(self.count + i)) for i, key in enumerate(keys)]
        self.count += len(keys)
        records = [Record(text.encode(), key) for key, text in messages]
        entry = self.broker.send(*records, queue=name, partition=number, priority=priority)
        partition = self.broker.engine.partitions[entry.placed[0].partition_id]
        assert number in (None, partition.base)
        assert partition.priority == (priority or 5)
        assert partition.number == self.queues[name].lane(partition.base, priority)
        self.queues[name].append(partition.number, messages)

    @rule()
    def become_durable(self) -> None:
        self.broker.engine.set_durable(len(self.broker.log) - 1)
        for queue in self.queues.values():
            queue.all_visible()
            for group in queue.groups.values():
                group.behind.clear()

    @rule(ms=st.sampled_from([500, 3_000, INVISIBLE_MS]), ticks=st.booleans())
    def wait(self, ms: int, ticks: bool) -> None:
        self.broker.now += ms
        if ticks:
            self.tick()

    @rule(data=st.data(), count=st.integers(1, 8), cut=st.sampled_from([1, 3, 100]))
    def receive(self, data: st.DataObject, count: int, cut: int) -> None:
        places = [(name, group) for name, queue in self.queues.items() for group in queue.groups]
        if not places:
            return
        name, group_name = data.draw(st.sampled_from(places))
        group = self.queues[name].groups[group_name]
        due, fresh = self.queues[name].eligible(group, self.broker.now)
        surely = set().union(*self.queues[name].eligible(group, self.broker.now, patient=True))
        released = self.released(group)
        engine_group = self.broker.engine.group(name, group_name)
        leases = self.broker.receive(engine_group, count, lambda _, start, end: min(end, (start // cut + 1) * cut))
        got: Places = set()
        for lease in leases:
            number = self.broker.engine.partitions[lease.partition_id].number
            assert lease.start // cut == (lease.end - 1) // cut
            assert lease.deadline_ms == self.broker.now + INVISIBLE_MS
            covered = set(range(lease.start, lease.end))
            for offset in covered:
                letter = group.open[number, offset]
                assert lease.attempt == letter.deliveries + 1
                letter.lease = lease.lease_id
                got.add((number, offset))
            place = (name, group_name)
            self.held[lease.lease_id] = Held(place, number, lease.attempt, lease.deadline_ms, covered)
        assert sum(lease.end - lease.start for lease in leases) == len(got)
        if group.behind:
            assert got <= due | fresh
            assert len(got) >= min(1, count, self.queues[name].most(group, surely))
            assert len(got) == self.queues[name].most(group, got), "one message of a key in flight"
        else:
            self.check_receive(self.queues[name], group, due, fresh, got, count, released)

    def check_receive(
        self, queue: NaiveQueue, group: Membership, due: Places, fresh: Places, got: Places, count: int, released: bool
    ) -> None:
        """What was handed out of what may be."""
        assert got <= due | fresh
        most = min(count, queue.most(group, due | fresh))
        assert len(got) == queue.most(group, got), "one message of a key in flight, whatever the lanes"
        if group.keyed and any(priority != 5 for _, priority in queue.families):
            assert min(most, 1) <= len(got) <= most  # a key in two lanes counts for both when shares are made
        else:
            assert len(got) == most
        if not group.keyed and len(got) == count and not released:
            levels = {queue.families[number][1] for number, _ in got & fresh}
            again = {place for place in due if queue.families[place[0]][1] in levels}
            assert again <= got, "what is due again goes first"

    @staticmethod
    def released(group: Membership) -> bool:
        """Whether a message below the end of what was handed out was never delivered: it counts as due again."""
        return any(letter.deliveries == 0 and letter.lease is None for letter in group.open.values())

    def some_lease(self, data: st.DataObject) -> tuple[int, Held, list[int] | None, set[int]]:
        lease_id = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[lease_id]
        part = data.draw(st.none() | st.lists(st.sampled_from(sorted(held.left)), max_size=4))
        return lease_id, held, part, set(held.left) if part is None else set(part)

    def group_of(self, held: Held):
        return self.broker.engine.group(*held.place)

    def ack(self, data: st.DataObject) -> None:
        lease_id, held, part, offsets = self.some_lease(data)
        self.broker.ack(self.group_of(held), lease_id, part)
        self.leave(lease_id, offsets, deliveries=None)

    def nack(self, data: st.DataObject) -> None:
        lease_id, held, part, offsets = self.some_lease(data)
        delay = data.draw(st.sampled_from([None, 0.0, 2.0, "never"]))
        if offsets and delay == "never":
            group, engine = self.group_of(held), self.broker.engine
            entry = self.broker.do(engine.decide_reject(self.broker.now, group.id, lease_id, part, "never"))
            self.fail(entry, {lease_id: offsets}, None, last=True)
        elif offsets:
            entry = self.broker.nack(self.group_of(held), lease_id, part, delay)
            self.fail(entry, {lease_id: offsets}, None if delay is None else int(delay * 1000))

    def release(self, data: st.DataObject) -> None:
        lease_id, held, part, offsets = self.some_lease(data)
        self.broker.release(self.group_of(held), lease_id, part)
        self.leave(lease_id, offsets, deliveries=held.attempt - 1)

    def extend(self, data: st.DataObject) -> None:
        lease_id = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[lease_id]
        group = self.group_of(held)
        seconds = data.draw(st.sampled_from([0.5, 30.0]))
        self.broker.do(self.broker.engine.decide_extend(self.broker.now, group.id, lease_id, seconds))
        held.deadline_ms = self.broker.now + int(seconds * 1000)

    def tick(self) -> None:
        expired = {lease_id: held.left for lease_id, held in self.held.items() if held.deadline_ms <= self.broker.now}
        entry = self.broker.tick()
        assert (entry is None) == (not expired)
        if entry is not None:
            self.fail(entry, expired, None)
        assert (self.broker.engine.next_deadline() or self.broker.now + 1) > self.broker.now

    def misuse(self, data: st.DataObject) -> None:
        """Receipts that are over, another group's, or of messages given back already."""
        engine = self.broker.engine
        if self.over:
            name, group, lease_id = data.draw(st.sampled_from(self.over))
            if name in self.queues and group in self.queues[name].groups:
                assert code_of(engine.decide_ack, engine.group(name, group).id, lease_id, None) == 1418
        for lease_id, held in self.held.items():
            assert code_of(engine.decide_ack, self.group_of(held).id + 1_000, lease_id, None) == 1418
            gone = max(held.left) + 1
            assert code_of(engine.decide_release, 0, self.group_of(held).id, lease_id, [gone]) == 1418

    def seek(self, data: st.DataObject) -> None:
        to = data.draw(st.sampled_from(["earliest", "latest", "offset:2"]))
        places = [(name, group) for name, queue in self.queues.items() for group in queue.groups]
        if not places:
            return
        name, group = data.draw(st.sampled_from(places))
        engine = self.broker.engine
        self.broker.do(engine.decide_seek(self.broker.now, engine.group(name, group), to))
        queue = self.queues[name]
        for lease_id in [lease_id for lease_id, held in self.held.items() if held.place == (name, group)]:
            self.forget(lease_id)
        open_ = queue.groups[group].open
        open_.clear()
        for number, messages in enumerate(queue.partitions):
            end = len(messages)
            start = {"earliest": queue.starts[number], "latest": end}.get(to, min(max(2, queue.starts[number]), end))
            open_.update(((number, offset), Letter()) for offset in range(start, end))

    def trim(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.queues)))
        engine, queue = self.broker.engine, self.queues[name]
        if data.draw(st.booleans()):
            entry = engine.decide_purge(self.broker.now, name)
        else:
            partition = engine.queues[name].partitions[0]
            entry = engine.decide_trim(self.broker.now, {partition.id: data.draw(st.integers(0, 12))})
        self.broker.do(entry)
        for operation in entry.operations:
            assert isinstance(operation, Trim)
            number = engine.partitions[operation.partition_id].number
            start = operation.start
            assert start <= queue.visible[number]
            queue.starts[number] = max(queue.starts[number], start)
            for group in queue.groups.values():
                for place in [place for place in group.open if place[0] == number and place[1] < start]:
                    del group.open[place]
            for lease_id, held in list(self.held.items()):
                if held.place[0] == name and held.number == number:
                    held.left -= set(range(start))
                    if not held.left:
                        self.forget(lease_id)

    def delete_and_make_anew(self, data: st.DataObject) -> None:
        name, group = data.draw(st.sampled_from(sorted(QUEUES))), data.draw(st.sampled_from(GROUPS))
        whole = data.draw(st.booleans())
        engine = self.broker.engine
        for lease_id, held in list(self.held.items()):
            if held.place[0] == name and (whole or held.place[1] == group):
                self.forget(lease_id)
        if whole:
            self.broker.do(engine.decide_delete_queue(self.broker.now, name))
            del self.queues[name]
            self.create(name, QUEUES[name])
            self.join(name, "keyed")
            self.join(name, "free")
        else:
            self.broker.do(engine.decide_delete_group(self.broker.now, name, group))
            del self.queues[name].groups[group]
            self.join(name, group)

    def restart(self, _: object) -> None:
        """The process dies, another one restores the snapshot; sometimes it was the holder of all leases."""
        self.broker.restart()
        for queue in self.queues.values():
            queue.all_visible()

    def release_all(self, _: object) -> None:
        entry = self.broker.engine.decide_release_all(self.broker.now)
        assert (entry is None) == (not self.held)
        if entry is None:
            return
        self.broker.do(entry)
        assert isinstance(entry.operations[-1], ReleaseAll)
        last = {lease_id: held.left for lease_id, held in self.held.items() if held.attempt == MAX_DELIVERY}
        self.fail(entry, last, None)
        for lease_id, held in list(self.held.items()):
            self.leave(lease_id, set(held.left), deliveries=held.attempt)

    def replay(self, _: object = None) -> None:
        assert self.broker.replayed().snapshot() == self.broker.engine.snapshot()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from([ack, ack, nack, nack, release, extend]))
    def settle(self, data: st.DataObject, how: Callable[[EngineMachine, st.DataObject], None]) -> None:
        how(self, data)

    @rule(
        data=st.data(),
        how=st.sampled_from([misuse, seek, trim, delete_and_make_anew, restart, release_all, replay]),
    )
    def disturb(self, data: st.DataObject, how: Callable[[EngineMachine, st.DataObject], None]) -> None:
        how(self, data)

    # ---- what always holds -----------------------------------------------------------------------------------------

    @invariant()
    def groups_agree(self) -> None:
        if not hasattr(self, "broker"):
            return
        engine = self.broker.engine
        assert sorted(engine.queues) == sorted(self.queues)
        assert engine.leases.keys() == self.held.keys()
        for name, queue in self.queues.items():
            info = describe_queue(engine.queues[name])
            assert info.offsets == list(zip(queue.starts, queue.visible, strict=True))
            for group_name, group in queue.groups.items():
                found = describe_group(engine.group(name, group_name), self.broker.contents)
                touched = [letter for letter in group.open.values() if letter.lease is not None]
                assert found.in_flight == len(touched)
                waits = [letter for letter in group.open.values() if letter.lease is None and letter.deliveries]
                assert found.retrying == len(waits)
                assert found.lag == sum(offset < queue.visible[number] for number, offset in group.open)
                for number, messages in enumerate(queue.partitions):
                    open_ = [offset for where, offset in group.open if where == number]
                    assert found.floors[number] == min(open_, default=len(messages))
            for number, lowest in enumerate(engine.queues[name].consumed_before()):
                floors = [engine.group(name, group).cursors[number].floor() for group in queue.groups]
                assert lowest == min(floors, default=queue.starts[number])

    @invariant()
    def deadlines_are_kept(self) -> None:
        if hasattr(self, "broker") and self.held:
            deadline = self.broker.engine.next_deadline()
            assert deadline is not None
            assert deadline <= min(held.deadline_ms for held in self.held.values())

    def teardown(self) -> None:
        if hasattr(self, "broker"):
            self.replay()


EngineMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=50)
TestEngineAgainstModel = EngineMachine.TestCase
