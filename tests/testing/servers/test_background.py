import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmessaging.testing.servers import SYSTEMS, background
from tests.testing.servers.test_server import Broken, Small


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setitem(SYSTEMS, "small", Small)
    monkeypatch.setitem(SYSTEMS, "broken", Broken)
    return background.state_folder()


def test_what_dies_by_itself_is_forgotten(state: Path) -> None:
    server = background.up("small")
    assert background.running() == {"small": server}
    (pid,) = server.alive
    os.killpg(pid, 9)
    os.waitpid(pid, 0)
    assert background.running() == {}
    assert list(state.iterdir()) == []


def test_one_that_does_not_start_leaves_nothing(state: Path) -> None:
    with pytest.raises(TimeoutError, match="no such option"):
        background.up("broken")
    assert list(state.iterdir()) == []


def test_an_id_that_was_given_again_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        stranger = background.Running("small", "", "nowhere", [(other.pid, "in another time")])
        assert stranger.alive == []
        background.down(stranger)
        assert other.poll() is None
        assert background.born(other.pid) != ""
        other.communicate(b"\n")
    assert background.born(other.pid) == ""
