"""The relay: killed after commits, it loses nothing and sends nothing twice."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

import openmessaging as oms
from openmessaging import blocking
from openmessaging.app.outbox import OutboxRow
from openmessaging.testing import TestApp

COUNT = 60


class Rows:
    """An outbox that is a list; deleting fails as often as it is told."""

    def __init__(self, count: int, failures: int = 0) -> None:
        self.rows = [OutboxRow(str(number), "orders", b"%d" % number, None, {"a": 1}) for number in range(count)]
        self.failures = failures

    async def pending(self, limit: int) -> list[OutboxRow]:
        return self.rows[:limit]

    async def delete(self, ids: Sequence[str]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the database is gone")
        self.rows = [row for row in self.rows if row.id not in ids]


@pytest.mark.parametrize("failures", [0, 1, 2, 5])
async def test_each_row_becomes_one_message_however_often_the_database_fails(failures: int) -> None:
    app = oms.App("oms:memory:never-opened")
    rows = Rows(25, failures)
    relay = app.relay(rows, interval=1.0, batch=10)
    async with TestApp(app) as test:
        for _ in range(40):
            relay.wake()
            await test.advance(1.0)
        assert rows.rows == []
        assert test.sent("orders", bytes) == [b"%d" % number for number in range(25)]
        assert test.messages("orders")[0].properties["a"] == 1


@pytest.mark.parametrize("kind", ["sql", "django"])
def test_killed_after_commits_it_loses_nothing_and_sends_once(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.app.outbox.programs", kind, str(tmp_path)]
    root = Path(__file__).parents[3]
    subprocess.run([*command, "commit", str(COUNT)], cwd=root, check=True, timeout=60)
    for lines in (2, 4):
        process = subprocess.Popen([*command, "relay", str(COUNT)], cwd=root, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        process.wait()
    subprocess.run([*command, "relay", str(COUNT)], cwd=root, check=True, timeout=60, stdout=subprocess.DEVNULL)
    with (
        blocking.connect(f"oms:embedded://{tmp_path}/store") as access_point,
        access_point.create_pull_consumer("orders", group="count") as consumer,
    ):
        found = list(consumer.batch_receive(1000, timeout=5))
        while more := consumer.batch_receive(1000, timeout=0.1):
            found += more
    numbers = Counter(msgspec.json.decode(message.data)["number"] for message in found)
    assert numbers == Counter(range(COUNT))
    assert {message.message_key for message in found} == {f"key {number}" for number in range(COUNT)}
