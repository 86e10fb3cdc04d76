"""Each system is killed, started again with its data, held, let go, ended. Those on Java take long to start: as soak
tests here, and else in the tests of their drivers."""

import os
import socket
from collections.abc import Callable

import pytest

from openmessaging.testing.servers import SYSTEMS, Missing, Server
from openmessaging.testing.servers.server import listens

LIGHT = ["mosquitto", "nats", "rabbitmq", "redis"]
ALL = [name if name in LIGHT else pytest.param(name, marks=pytest.mark.soak) for name in SYSTEMS]


@pytest.fixture(params=ALL)
def system(request: pytest.FixtureRequest) -> type[Server]:
    found = SYSTEMS[request.param]
    try:
        found.require()
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    return found


def silent(answers: Callable[[], bool]) -> bool:
    try:
        return not answers()
    except OSError:
        return True


def test_it_lives_again_after_a_kill_and_can_be_held(system: type[Server]) -> None:
    with system() as server:
        folder = server.folder
        assert server.answers()
        server.kill()
        assert silent(server.answers)
        server.start()
        assert server.answers()
        server.pause()
        with (
            pytest.raises(OSError, match=r"timed out"),
            socket.create_connection(("127.0.0.1", server.port), 1) as held,
        ):
            held.sendall(b"PING\r\n")
            # NATS speaks first, others answer: none does while it is held.
            while held.recv(100):
                pass
        server.resume()
        assert server.answers()
    assert not listens(server.port)
    assert not folder.exists()
