"""The driver of our own broker: `oms:oms://host[:port][,host2]/region`."""

from openmessaging.drivers.oms.factory import OmsFactory

driver = OmsFactory()

__all__ = ["OmsFactory", "driver"]
