"""Running `oms`: in this process for most, as a process of its own for pipes, signals and exit codes."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from openmessaging import blocking as oms
from openmessaging.cli import main

ROOT = Path(__file__).parents[2]


class Oms:
    """The command line on a store of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"oms:embedded://{directory}"
        self.env = {"OMS_URL": self.url, "NO_COLOR": "1", "OMS_DEBUG": "", "COLUMNS": "100"}

    def __call__(self, *arguments: str, input: str | bytes | None = None, code: int = 0) -> Result:
        """Run in this process, check the exit code."""
        result = CliRunner(env=self.env).invoke(main, arguments, input=input)
        assert result.exit_code == code, f"{arguments}: {result.exit_code}\n{result.stdout}{result.stderr}"
        assert "Traceback" not in result.output
        return result

    def json(self, *arguments: str, input: str | bytes | None = None, code: int = 0) -> Any:
        """Run with --json; the one document printed."""
        return json.loads(self(*arguments, "--json", input=input, code=code).stdout)

    def lines(self, *arguments: str, input: str | bytes | None = None, code: int = 0) -> list[Any]:
        """Run with --json; the documents printed, one per line."""
        return [json.loads(line) for line in self(*arguments, "--json", input=input, code=code).stdout.splitlines()]

    def error(self, *arguments: str, input: str | bytes | None = None, code: int = 1) -> dict[str, Any]:
        """Run what fails, as text and as JSON; the error."""
        text = self(*arguments, input=input, code=code)
        assert text.stdout == ""
        found: dict[str, Any] = json.loads(self(*arguments, "--json", input=input, code=code).stderr)["error"]
        assert text.stderr.startswith(f"error {found['code']} ") or code == 2
        assert found["reason"] in text.stderr
        assert found["next_step"]
        return found

    def popen(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start as a process."""
        environment = {**os.environ, **self.env, "PYTHONPATH": str(ROOT)}
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "openmessaging.cli", *arguments]
        return subprocess.Popen(command, text=True, env=environment, **{**pipes, **options})

    def process(self, *arguments: str, input: str | None = None, code: int = 0) -> tuple[str, str]:
        """Run as a process, check the exit code; what it printed."""
        process = self.popen(*arguments, stdin=subprocess.PIPE)
        out, err = process.communicate(input, timeout=60)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}{err}"
        assert "Traceback" not in err
        return out, err

    def bury(self, count: int, queue: str = "orders", group: str = "billing") -> list[str]:
        """Make dead letters; their message ids."""
        with oms.connect(self.url) as access_point:
            with access_point.create_producer() as producer:
                messages = [
                    producer.create_message(queue, b"body %d" % number, message_key="k", properties={"price": 2.5})
                    for number in range(count)
                ]
                ids = [result.message_id for result in producer.send(messages)]
            backoff = oms.Backoff(max_delivery=1)
            with access_point.create_pull_consumer(queue, group, backoff=backoff) as consumer:
                for message in consumer.batch_receive(count, timeout=5):
                    message.nack(reason="no address")
        return ids


@pytest.fixture
def oms_cli(tmp_path: Path) -> Oms:
    return Oms(tmp_path / "store")


class Terminal:
    """A pseudo-terminal that standard output or error goes to."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.stream = os.fdopen(slave, "w")

    def shown(self) -> str:
        """What is on it so far."""
        self.stream.flush()
        found = b""
        while select.select([self.master], [], [], 0)[0]:
            found += os.read(self.master, 1 << 16)
        return found.decode()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    found = Terminal()
    yield found
    found.stream.close()
    os.close(found.master)
