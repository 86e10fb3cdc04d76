"""The driver of our own broker behind HTTP: `oms:http://host[:port][,host2]/region`, and `oms:https://`."""

from openmessaging.drivers.http.factory import HttpFactory

driver = HttpFactory()

__all__ = ["HttpFactory", "driver"]
