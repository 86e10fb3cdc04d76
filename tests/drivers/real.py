"""Real systems for the tests of their drivers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from openmessaging.testing.servers import Missing, Server


@contextmanager
def real(system: type[Server]) -> Iterator[Server]:
    """A system that runs; where it cannot be had, the test is skipped, and fails in CI."""
    try:
        system.require()
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with system() as server:
        yield server
