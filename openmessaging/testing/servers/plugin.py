"""A plugin of pytest: real messaging systems as fixtures, `redis_server` to `rocketmq_server`, for the whole session.

Load it with `pytest -p openmessaging.testing.servers.plugin`, or name it in `pytest_plugins`. A system is started when
the first test asks for it, and ended with the session. `--oms-server NAME=URL` uses one that runs already. A test whose
system cannot be had is skipped with the reason, and fails where the environment variable CI is set; the run ends with a
list of those that were missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from openmessaging.testing.servers import SYSTEMS, Missing, Server
from openmessaging.testing.servers.server import listens

MISSING = "real server missing: "


class Existing(Server):
    """A server that somebody else runs: it has an address, and is neither started nor ended here."""

    def __init__(self, system: type[Server], url: str) -> None:
        self.name = system.name  # type: ignore[misc] # of one of several classes
        super().__init__()
        self._url = url
        self.host, self.port = address_of(url)

    @property
    def url(self) -> str:
        """As it was given."""
        return self._url

    def launch(self) -> None:
        """It runs already."""

    def answers(self) -> bool:
        """Whether it can be reached."""
        return listens(self.port, self.host)

    def stop(self) -> None:
        """It goes on."""

    def kill(self) -> None:
        """A test that would do it is skipped."""
        pytest.skip(f"{self.name} is not ours to kill")

    def pause(self) -> None:
        """A test that would do it is skipped."""
        pytest.skip(f"{self.name} is not ours to hold")


def address_of(url: str) -> tuple[str, int]:
    """Host and port of an access point's URL. Raises ValueError."""
    parts = urlsplit(url.removeprefix("oms:"))
    if not parts.hostname or not parts.port:
        raise ValueError(f"{url!r} has no host and port")
    return parts.hostname, parts.port


def pytest_addoption(parser: Any) -> None:
    """The option."""
    parser.addoption(
        "--oms-server",
        action="append",
        default=[],
        metavar="NAME=URL",
        help=f"use a server that runs already; NAME is one of {', '.join(SYSTEMS)}",
    )


def given(config: pytest.Config) -> dict[str, str]:
    """The servers that run already, by name. Raises pytest.UsageError."""
    pairs = [text.partition("=") for text in config.getoption("--oms-server")]
    for name, _, url in pairs:
        if name not in SYSTEMS:
            raise pytest.UsageError(f"--oms-server {name}: the systems are {', '.join(SYSTEMS)}")
        try:
            address_of(url)
        except ValueError as wrong:
            raise pytest.UsageError(f"--oms-server {name}: {wrong}") from None
    return {name: url for name, _, url in pairs}


def pytest_configure(config: pytest.Config) -> None:
    """Refuse wrong options before anything runs."""
    given(config)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the systems that were missing, once each."""
    told = set()
    for report in [*terminalreporter.stats.get("skipped", []), *terminalreporter.stats.get("error", [])]:
        _, found, reason = str(report.longrepr).partition(MISSING)
        if found:
            told.add(reason.split("\\n")[0].splitlines()[0].rstrip("')"))
    for reason in sorted(told):
        terminalreporter.write_line(f"{MISSING}{reason}", yellow=True)


def serve(request: pytest.FixtureRequest, name: str) -> Iterator[Server]:
    """A system by name, started unless it was given; for fixtures of your own with another scope."""
    system, url = SYSTEMS[name], given(request.config).get(name)
    server = Existing(system, url) if url else system()
    try:
        server.start()
    except Missing as missing:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"{MISSING}{name}: {missing}")
    yield server
    server.__exit__()


def _fixture(name: str) -> Any:
    @pytest.fixture(scope="session", name=f"{name}_server")
    def server(request: pytest.FixtureRequest) -> Iterator[Server]:
        yield from serve(request, name)

    return server


artemis_server = _fixture("artemis")
kafka_server = _fixture("kafka")
mosquitto_server = _fixture("mosquitto")
nats_server = _fixture("nats")
pulsar_server = _fixture("pulsar")
rabbitmq_server = _fixture("rabbitmq")
redis_server = _fixture("redis")
rocketmq_server = _fixture("rocketmq")
