"""Apache Kafka: `oms:kafka://host:9092/region`, over confluent-kafka (the extra `kafka`)."""

from openmessaging.drivers.kafka.factory import KafkaFactory

__all__ = ["KafkaFactory", "driver"]

driver = KafkaFactory()
"""What the entry point names."""
