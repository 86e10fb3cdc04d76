"""The embedded store as a driver: `oms:embedded://PATH` and, for tests, `oms:memory:`."""

from openmessaging.drivers.embedded.factory import EmbeddedFactory

driver = EmbeddedFactory()
"""What the entry points `embedded` and `memory` name."""

__all__ = ["EmbeddedFactory", "driver"]
