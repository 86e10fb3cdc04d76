"""The life of a service, both faces."""

import pytest

from openmessaging.runtime.aio.lifecycle import Service
from openmessaging.runtime.state import ServiceState


class Probe(Service):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.fail = ""

    async def _open(self) -> None:
        self.calls.append(f"open {self.current_state}")
        if self.fail == "open":
            raise ValueError("cannot open")

    async def _close(self) -> None:
        self.calls.append(f"close {self.current_state}")
        if self.fail == "close":
            raise ValueError("cannot close")


async def test_states_in_order_and_again() -> None:
    probe = Probe()
    assert probe.current_state is ServiceState.INITIALIZED
    await probe.stop()
    await probe.start()
    await probe.start()
    assert probe.current_state is ServiceState.STARTED
    await probe.stop()
    await probe.stop()
    assert probe.current_state is ServiceState.STOPPED
    async with probe:
        assert probe.current_state is ServiceState.STARTED
    assert probe.calls == ["open starting", "close stopping"] * 2


async def test_a_failed_start_goes_back_and_a_failed_stop_is_stopped() -> None:
    probe = Probe()
    probe.fail = "open"
    with pytest.raises(ValueError, match="open"):
        await probe.start()
    assert probe.current_state is ServiceState.INITIALIZED
    probe.fail = "close"
    await probe.start()
    with pytest.raises(ValueError, match="close"):
        await probe.stop()
    assert probe.current_state is ServiceState.STOPPED


async def test_a_root_does_nothing_by_itself() -> None:
    with pytest.raises(NotImplementedError):
        await Service().start()
    with pytest.raises(NotImplementedError):
        await Service()._close()
