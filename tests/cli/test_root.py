import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import click
import pytest
from click.testing import CliRunner

from openmessaging.cli import main
from openmessaging.cli.root import COMMANDS
from tests.cli.conftest import ROOT, Oms


def walk(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        found += walk(below, (*path, name))
    return found


LEAVES = walk(main)


def test_help_lists_every_command_and_the_exit_codes(oms_cli: Oms) -> None:
    text = oms_cli("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)
    for line in ("0  done", "1  it failed", "2  the command line is wrong", "3  nothing was there"):
        assert line in text


def test_short_helps_are_the_first_sentences_of_the_commands() -> None:
    context = click.Context(main)
    for name, text in COMMANDS.items():
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(limit=200).rstrip(".") + "." == text


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_has_json_and_a_help_for_everything(path: tuple[str, ...], command: click.Command) -> None:
    options = {name: each for each in command.params for name in each.opts}
    assert path in {("completion",), ("run",)} or "--json" in options
    assert command.help
    assert all(each.help for each in command.params if isinstance(each, click.Option))


def test_help_loads_little() -> None:
    """What makes `oms --help` slow must not be imported for it."""
    script = (
        "import sys; sys.argv = ['oms', '--help']\n"
        "from openmessaging.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('rich', 'msgspec', 'asyncio', 'platformdirs', 'openmessaging.runtime', 'openmessaging.broker')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr.strip() == "[]"


def test_version(oms_cli: Oms) -> None:
    assert oms_cli("--version").stdout.startswith("oms")


def test_wrong_command_lines_give_2(oms_cli: Oms) -> None:
    assert oms_cli.error("nonsense", code=2)["code"] == 1418
    assert "oms send --help" in oms_cli.error("send", code=2)["next_step"]


def test_unknown_failures_show_no_traceback(oms_cli: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise ValueError("surprise")

    monkeypatch.setattr("openmessaging.storage.inspect.info", broken)
    found = oms_cli.error("store", "info", "x")
    assert (found["code"], found["reason"]) == (1500, "unexpected ValueError: surprise")
    assert "OMS_DEBUG=1" in found["next_step"]
    result = CliRunner(env={"OMS_DEBUG": "1"}).invoke(main, ["store", "info", "x"])
    assert isinstance(result.exception, ValueError)


def test_a_closed_pipe_is_no_noise(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "--stdin", input="line\n" * 50_000)
    process = oms_cli.popen("receive", "orders", "--peek")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "line\n"
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_an_interrupt_ends_it_cleanly(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "first")
    process = oms_cli.popen("receive", "orders", "--group", "g", "--follow", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["body"] == "first"
    time.sleep(0.2)  # so that it waits; it must end cleanly before, too
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == ""
    assert oms_cli.json("group", "describe", "orders", "g")["lag"] == 0, "what was printed is acknowledged"
