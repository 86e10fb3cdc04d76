import pytest

from openmessaging.model.errors import OMSUnsupportException
from openmessaging.model.spi import Capability
from openmessaging.runtime.required import require


def test_what_a_driver_lacks_is_refused():
    require(frozenset({Capability.PEEK}), Capability.PEEK)
    with pytest.raises(OMSUnsupportException, match="peek"):
        require(frozenset({Capability.COPY}), Capability.PEEK)
