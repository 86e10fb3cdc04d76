"""What a system lacks: what may be emulated above it if the user allows it, and what an error says about it."""

from __future__ import annotations

from collections.abc import Iterable

from openmessaging.model.errors import OMSUnsupportException, error, unsupported
from openmessaging.model.spi import Capability

EMULATIONS = frozenset((Capability.FILTER, Capability.EXPIRY, Capability.DELAY, Capability.DEAD_LETTER))
"""What is emulated above a driver; `docs/how-to/emulate.md` says how, and what it costs."""


def lacking(capability: Capability, field: str) -> OMSUnsupportException:
    """The error for a field or call that needs a capability which is neither there nor allowed to be emulated."""
    failure = unsupported(field, next_step=ways_out(capability))
    failure.field = field
    return failure


def ways_out(capability: Capability) -> str:
    """What to do where a system lacks something."""
    other = f"use a system that has {capability.value!r}, as embedded, oms and http do"
    if capability in EMULATIONS:
        return f"Allow an emulation, connect(…, emulate=[{capability.value!r}]), or {other}"
    return other.capitalize()


def capabilities_of(names: Iterable[str], argument: str) -> frozenset[Capability]:
    """Capabilities by their names; raises OMSRuntimeException 1418 for one that is none."""
    found = set()
    for name in (names,) if isinstance(names, str) else names:
        try:
            found.add(Capability(name))
        except ValueError:
            known = ", ".join(sorted(EMULATIONS if argument == "emulate" else Capability))
            raise error(1418, f"{argument}: {name!r}", next_step=f"There are: {known}", field=argument) from None
    return frozenset(found)
