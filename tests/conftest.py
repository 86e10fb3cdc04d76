"""Options of the whole test suite."""

import pytest
from hypothesis import settings

pytest_plugins = ["openmessaging.testing.servers.plugin"]

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-scenarios", action="store_true", help="write what the engine does into the scenarios")
