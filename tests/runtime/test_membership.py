from openmessaging.model.spi import GroupConfig
from openmessaging.runtime.membership import Membership


def test_a_broadcast_consumer_has_a_group_of_its_own() -> None:
    shared = Membership("g", GroupConfig(), broadcast=False, update=True).spec("default://q")
    assert (shared.group, shared.broadcast, shared.update) == ("g", False, True)
    own = [Membership("g", GroupConfig(), broadcast=True, update=False).spec("default://q") for _ in range(2)]
    assert own[0].group != own[1].group
    assert all(spec.broadcast and spec.group.startswith("g.") for spec in own)
