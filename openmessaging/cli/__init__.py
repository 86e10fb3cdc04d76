"""The command line, `oms`: a module per command group, loaded when the group is used."""

from openmessaging.cli.root import main

__all__ = ["main"]
