"""RocketMQ 5 by URL: `oms:rocketmq://host[:port]/region`, over the gRPC of its proxy."""

from openmessaging.drivers.rocketmq.factory import RocketmqFactory

driver = RocketmqFactory()

__all__ = ["RocketmqFactory", "driver"]
