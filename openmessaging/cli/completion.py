"""`oms completion`."""

from __future__ import annotations

import click

from openmessaging.cli.root import main


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print the script that completes commands in a shell.

    Load it in the start file of SHELL.

    \b
    bash (4.4 or newer):  eval "$(oms completion bash)"
    zsh:                  eval "$(oms completion zsh)"
    fish:                 oms completion fish | source
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, "click knows all three"
    print(found(main, {}, "oms", "_OMS_COMPLETE").source())
