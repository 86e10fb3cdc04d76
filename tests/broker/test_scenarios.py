"""Plays `tests/scenarios/*.txt`: a line is an input, the indented lines below it are the effects to expect.

Rewrite the effects with `pytest tests/broker/test_scenarios.py --rewrite-scenarios`, and read the difference.
Inputs: `send QUEUE[/PARTITION] TEXT…` (`key=TEXT` for a key), `join QUEUE GROUP [setting=value…]`, `receive QUEUE GROUP
[COUNT]`, `ack|nack|release QUEUE GROUP LEASE [OFFSET…]`, `extend QUEUE GROUP LEASE SECONDS`, `seek QUEUE GROUP TO`,
`redrive QUEUE GROUP LEASE`, `trim QUEUE OFFSET`, `delete QUEUE`, `wait SECONDS` (lets time pass, then ticks), `restart`
(the process dies; all leases are released), `describe QUEUE GROUP`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from openmessaging.broker.describe import describe_group
from openmessaging.broker.entry import CreateGroup, CreateQueue, Entry
from openmessaging.model.batch import decode
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from tests.broker.harness import Broker

SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.txt"))


class Player:
    def __init__(self) -> None:
        self.broker = Broker()

    def play(self, line: str) -> list[str]:
        verb, *words = line.split()
        try:
            entry = getattr(self, verb)(*words)
        except OMSRuntimeException as error:
            return [f"error {error}"]
        return entry if isinstance(entry, list) else self.effects(entry)

    def group(self, queue: str, group: str):
        return self.broker.engine.group(f"default://{queue}", group)

    def effects(self, entry: Entry | None) -> list[str]:
        if entry is None or not (entry.operations or entry.placed):
            return ["nothing"]
        lines = []
        for operation in entry.operations:
            fields = {name: getattr(operation, name) for name in operation.__struct_fields__}
            if isinstance(operation, CreateQueue | CreateGroup):
                fields.pop("config")
            text = " ".join(f"{name}={value}" for name, value in fields.items())
            lines.append(f"{type(operation).__name__} {text}".rstrip())
        for placed, batch in zip(entry.placed, entry.batches, strict=True):
            records = decode(batch.head + batch.payload)[2]
            for offset, record in enumerate(records, placed.base_offset):
                lines.append(f"message partition={placed.partition_id} offset={offset} {self.show(record)}")
        return lines

    def show(self, record: Record) -> str:
        shown = {"key": record.message_key, **(record.properties or {})}
        parts = [record.data.decode(), *(f"{name}={value}" for name, value in shown.items() if value is not None)]
        return " ".join(parts)

    def send(self, queue: str, *texts: str) -> Entry:
        queue, _, number = queue.partition("/")
        pairs = [text.rpartition("=") for text in texts]
        records = [Record(text.encode(), key or None) for key, _, text in pairs]
        return self.broker.send(*records, queue=f"default://{queue}", partition=int(number) if number else None)

    def join(self, queue: str, group: str, *settings: str) -> list[str]:
        values = {name: self.value(text) for name, _, text in (setting.partition("=") for setting in settings)}
        found = self.broker.join(group, f"default://{queue}", **values)
        return [f"from {[cursor.next for cursor in found.cursors]}"]

    def value(self, text: str) -> Any:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text

    def receive(self, queue: str, group: str, count: str = "100") -> list[str]:
        leases = self.broker.receive(self.group(queue, group), int(count))
        return [
            f"lease {x.lease_id}: partition {x.partition_id} offsets {x.start} to {x.end - 1}, delivery {x.attempt}"
            for x in leases
        ] or ["nothing"]

    def ack(self, queue: str, group: str, lease: str, *offsets: str) -> list[str]:
        self.broker.ack(self.group(queue, group), int(lease), [int(x) for x in offsets] or None)
        return []

    def nack(self, queue: str, group: str, lease: str, *offsets: str) -> Entry:
        return self.broker.nack(self.group(queue, group), int(lease), [int(x) for x in offsets] or None)

    def reject(self, queue: str, group: str, lease: str, *offsets: str) -> Entry:
        found = self.group(queue, group)
        chosen = [int(x) for x in offsets] or None
        return self.broker.do(self.broker.engine.decide_reject(self.broker.now, found.id, int(lease), chosen, "never"))

    def release(self, queue: str, group: str, lease: str, *offsets: str) -> Entry:
        return self.broker.release(self.group(queue, group), int(lease), [int(x) for x in offsets] or None)

    def extend(self, queue: str, group: str, lease: str, seconds: str) -> Entry:
        found = self.group(queue, group)
        return self.broker.do(self.broker.engine.decide_extend(self.broker.now, found.id, int(lease), float(seconds)))

    def seek(self, queue: str, group: str, to: str) -> Entry:
        return self.broker.do(self.broker.engine.decide_seek(self.broker.now, self.group(queue, group), to))

    def redrive(self, queue: str, group: str, lease: str) -> Entry:
        found = self.group(queue, group)
        return self.broker.do(self.broker.engine.decide_move(self.broker.now, found.id, int(lease), None, None, 5)[0])

    def trim(self, queue: str, offset: str) -> Entry:
        partition = self.broker.engine.queue(f"default://{queue}").partitions[0]
        return self.broker.do(self.broker.engine.decide_trim(self.broker.now, {partition.id: int(offset)}))

    def delete(self, queue: str) -> Entry:
        return self.broker.do(self.broker.engine.decide_delete_queue(self.broker.now, f"default://{queue}"))

    def wait(self, seconds: str) -> Entry | None:
        self.broker.now += int(float(seconds) * 1000)
        return self.broker.tick()

    def restart(self) -> Entry | None:
        self.broker.restart()
        entry = self.broker.engine.decide_release_all(self.broker.now)
        return self.broker.do(entry) if entry is not None else None

    def describe(self, queue: str, group: str) -> list[str]:
        info = describe_group(self.group(queue, group), self.broker.contents)
        return [f"lag {info.lag}, in flight {info.in_flight}, retrying {info.retrying}, floors {info.floors}"]


def played(text: str) -> str:
    player, lines = Player(), []
    for line in text.splitlines():
        if line.startswith("  "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += [f"  {effect}" for effect in player.play(line)]
    assert player.broker.replayed().snapshot() == player.broker.engine.snapshot()
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path, request: pytest.FixtureRequest) -> None:
    text = path.read_text()
    found = played(text)
    if request.config.getoption("--rewrite-scenarios"):
        path.write_text(found)
    else:
        assert found == text


def test_there_are_scenarios() -> None:
    assert SCENARIOS
