"""The command `oms`: names and short helps of all commands, and what becomes of errors.

Nothing but click is imported until a command is called, so that `oms --help` and completion are quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

COMMANDS = {
    "demo": "Run the main job: real flights, a process killed on the way, nothing lost.",
    "send": "Send messages to a queue.",
    "receive": "Receive messages from a queue, or look at them.",
    "request": "Ask the services of a queue, and print the answer.",
    "rpc": "List the services that answer requests, and ask them how they are.",
    "queue": "Create, list, describe, copy, read as a table, delete and purge queues.",
    "delayed": "List, cancel and reschedule messages that are not due yet.",
    "schedule": "Let messages be sent again and again, at intervals or by cron.",
    "route": "Create, list, show, explain and delete routes: from a queue through operators to queues.",
    "group": "List, describe, seek and delete consumer groups.",
    "dead-letter": "Look at messages that failed too often, and send them back.",
    "transaction": "Look at prepared messages, and decide on those whose producer does not.",
    "serve": "Serve a store to other processes and machines, until SIGTERM or Ctrl-C.",
    "user": "Users of a server: their tokens, roles and rights.",
    "status": "Show how a server is: rates, groups that are behind, connections, its log.",
    "run": "Run an app until SIGTERM or Ctrl-C; then what is at work finishes, and the rest goes back.",
    "docs": "Write the AsyncAPI 3.0 document of an app, which need not run.",
    "backup": "Back up a store into a directory, while it is served and used.",
    "restore": "Make a store of a backup, as it was at any moment of it.",
    "mirror": "Copy queues from one messaging system to another, and go on where it was.",
    "diff": "Compare queues of two messaging systems.",
    "conformance": "Prove case by case what a system does of the standard.",
    "store": "Look into a store without opening it, whole or damaged.",
    "servers": "Start real messaging systems on this machine, and end them.",
    "completion": "Print the script that completes commands in a shell.",
}
"""Each is the object `command` of the module of that name in this package."""

INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit codes as a shell gives them for SIGINT and SIGPIPE."""


class Root(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"openmessaging.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that closed the pipe ends it without a word."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
            ctx.exit(BROKEN_PIPE)
        return result

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:  # noqa: ARG002 - click's signature
        """Run, print what went wrong, and leave with the exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(run(self, arguments))


def run(group: click.Group, arguments: list[str]) -> int:
    """Run a command line; its exit code. Errors are printed to standard error, as JSON with `--json`."""
    as_json = "--json" in arguments
    try:
        status = click.Group.main(group, arguments, prog_name="oms", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.Abort:
        return INTERRUPTED
    except Exception as failure:
        from openmessaging.cli.failure import report

        if os.environ.get("OMS_DEBUG"):
            raise
        return report(failure, as_json)


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"oms {version('openmessaging')}")
        except PackageNotFoundError:
            click.echo("oms, not installed")
        ctx.exit()


@click.command(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """Durable messaging from the command line; no server needed.

    The store comes from --url, else from the environment variable OMS_URL, else it is a directory among the user's
    data. A directory is written oms:embedded://PATH. OMS_DEBUG=1 shows the traceback of an error.

    \b
    Exit codes:
      0  done
      1  it failed; standard error says why and what to do
      2  the command line is wrong
      3  nothing was there: no message to receive, no such dead letter or delayed message
      4  what was compared differs (`diff`)

    With --json, results are JSON on standard output and errors JSON on standard error. `send`, `receive`,
    `dead-letter list`, `transaction list`, `store dump`, `servers up`, `servers down` and changes of delayed messages
    print a document per line, all others one.
    """
