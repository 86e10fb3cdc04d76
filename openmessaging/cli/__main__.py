"""`python -m openmessaging.cli` is `oms`."""

from openmessaging.cli import main

main()
