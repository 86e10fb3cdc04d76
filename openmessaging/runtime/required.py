"""Asking for what not every system can do."""

from __future__ import annotations

from openmessaging.model.lacking import lacking
from openmessaging.model.spi import Capability


def require(capabilities: frozenset[Capability], wanted: Capability) -> None:
    """Raises OMSUnsupportException when a driver lacks a capability."""
    if wanted not in capabilities:
        raise lacking(wanted, wanted.value)
