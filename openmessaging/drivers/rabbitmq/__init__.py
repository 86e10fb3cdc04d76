"""RabbitMQ: quorum queues behind exchanges, over AMQP 0-9-1 (`spec/mappings/rabbitmq.md`)."""

from openmessaging.drivers.rabbitmq.factory import RabbitmqFactory

driver = RabbitmqFactory()
"""What the entry point names."""
