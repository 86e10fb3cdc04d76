"""Pulsar: queues as partitioned topics, consumer groups as subscriptions. See `docs/how-to/pulsar.md`."""

from openmessaging.drivers.pulsar.factory import PulsarFactory

driver = PulsarFactory()

__all__ = ["PulsarFactory", "driver"]
