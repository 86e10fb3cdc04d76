import pytest

from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.threads import opening


class Failing:
    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def open_blocking(self, access_point, attributes) -> None:
        raise self.failure


def test_a_failure_keeps_its_code_or_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for failure, code in ((OMSRuntimeException(1401, "who?"), 1401), (OSError("no route"), 10000)):
        monkeypatch.setattr(opening, "find_factory", lambda *_, failure=failure: Failing(failure))
        with pytest.raises(OMSRuntimeException) as caught:
            opening.open_driver(parse("oms:memory:"), {})
        assert caught.value.code == code
