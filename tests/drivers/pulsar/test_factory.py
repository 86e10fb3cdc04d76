import asyncio
import sys
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException


async def opened(url: str, attributes: dict[str, Any]) -> OMSRuntimeException:
    with pytest.raises(OMSRuntimeException) as caught:
        async with oms.connect(url, attributes):
            pass
    assert caught.value.next_step
    return caught.value


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("openmessaging.drivers.pulsar.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pulsar", None)
    failure = asyncio.run(opened("oms:pulsar://127.0.0.1:1/local", {}))
    assert (failure.code, failure.next_step) == (10000, 'pip install "openmessaging[pulsar]"')


def test_a_key_does_not_go_out_in_the_clear() -> None:
    pytest.importorskip("pulsar")
    failure = asyncio.run(opened("oms:pulsar://192.0.2.1:6650/local", {"ACCOUNT_KEY": "secret"}))
    assert failure.code == 1418
