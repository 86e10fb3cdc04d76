"""RabbitMQ: quorum queues behind exchanges, over AMQP 0-9-1 (`spec/mappings/rabbitmq.md`)."""

from openmessaging.drivers.rabbitmq.factory import RabbitmqFactory

__all__ = ["RabbitmqFactory", "driver"]

driver = RabbitmqFactory()
"""What the entry point names."""
