from openmessaging.runtime.state import ServiceState, not_started


def test_the_error_names_the_state() -> None:
    error = not_started("producer", ServiceState.STOPPED)
    assert error.code == 1503
    assert "the producer is stopped" in str(error)
