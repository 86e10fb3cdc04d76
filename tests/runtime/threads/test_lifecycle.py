# Generated from tests/runtime/aio/test_lifecycle.py by scripts/unasync.py: change that file instead.
"""The life of a service, both faces."""

import pytest

from openmessaging.runtime.state import ServiceState
from openmessaging.runtime.threads.lifecycle import Service


class Probe(Service):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.fail = ""

    def _open(self) -> None:
        self.calls.append(f"open {self.current_state}")
        if self.fail == "open":
            raise ValueError("cannot open")

    def _close(self) -> None:
        self.calls.append(f"close {self.current_state}")
        if self.fail == "close":
            raise ValueError("cannot close")


def test_states_in_order_and_again() -> None:
    probe = Probe()
    assert probe.current_state is ServiceState.INITIALIZED
    probe.stop()
    probe.start()
    probe.start()
    assert probe.current_state is ServiceState.STARTED
    probe.stop()
    probe.stop()
    assert probe.current_state is ServiceState.STOPPED
    with probe:
        assert probe.current_state is ServiceState.STARTED
    assert probe.calls == ["open starting", "close stopping"] * 2


def test_a_failed_start_goes_back_and_a_failed_stop_is_stopped() -> None:
    probe = Probe()
    probe.fail = "open"
    with pytest.raises(ValueError, match="open"):
        probe.start()
    assert probe.current_state is ServiceState.INITIALIZED
    probe.fail = "close"
    probe.start()
    with pytest.raises(ValueError, match="close"):
        probe.stop()
    assert probe.current_state is ServiceState.STOPPED


def test_a_root_does_nothing_by_itself() -> None:
    with pytest.raises(NotImplementedError):
        Service().start()
    with pytest.raises(NotImplementedError):
        Service()._close()
