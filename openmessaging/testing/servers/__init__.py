"""Real messaging systems on this machine, for tests and trials: started on loopback, ended by their process ids."""

from openmessaging.testing.servers.artemis import Artemis
from openmessaging.testing.servers.kafka import Kafka
from openmessaging.testing.servers.mosquitto import Mosquitto
from openmessaging.testing.servers.nats import Nats
from openmessaging.testing.servers.pulsar import Pulsar
from openmessaging.testing.servers.rabbitmq import Rabbitmq
from openmessaging.testing.servers.redis import Redis
from openmessaging.testing.servers.rocketmq import Rocketmq
from openmessaging.testing.servers.server import Missing, Server, free_port

SYSTEMS: dict[str, type[Server]] = {
    system.name: system for system in (Artemis, Kafka, Mosquitto, Nats, Pulsar, Rabbitmq, Redis, Rocketmq)
}
"""Every system that can be started, by name."""

__all__ = [
    "SYSTEMS",
    "Artemis",
    "Kafka",
    "Missing",
    "Mosquitto",
    "Nats",
    "Pulsar",
    "Rabbitmq",
    "Redis",
    "Rocketmq",
    "Server",
    "free_port",
]
