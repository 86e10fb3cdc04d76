"""NATS JetStream by URL: `oms:nats://host[:port]/region`."""

from openmessaging.drivers.nats.factory import NatsFactory

driver = NatsFactory()

__all__ = ["NatsFactory", "driver"]
