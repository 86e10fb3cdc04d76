from pathlib import Path

import pytest

from openmessaging.mirror.state import State
from openmessaging.model.errors import OMSRuntimeException


def test_positions_survive(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "positions.json"
    state = State(path)
    assert state.mark("default://q", 0) is None
    state.save("default://q", 0, 5)
    state.save("default://q", 1, 7)
    state.save("default://q", 0, 9)
    again = State(path)
    positions = [mark.position for number in (0, 1) if (mark := again.mark("default://q", number))]
    assert positions == [9, 7]
    first, second = again.mark("default://q", 0), again.mark("default://q", 1)
    assert first is not None
    assert second is not None
    assert first.at_ms >= second.at_ms > 1_500_000_000_000
    assert again.mark("default://other", 0) is None
    assert list(path.parent.iterdir()) == [path]


def test_what_is_no_file_of_positions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    path.write_text("[1]")
    with pytest.raises(OMSRuntimeException, match="holds no positions"):
        State(path)
