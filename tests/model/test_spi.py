"""What is used where a caller or a driver says nothing: other drivers and stored settings rely on it."""

from openmessaging.model.spi import Backoff, Delivery, GroupConfig, QueueConfig, SubscriptionSpec
from openmessaging.runtime.lease import DeliveryOrigin
from tests.model.vectors import load


def test_settings_that_nobody_chose() -> None:
    assert GroupConfig() == GroupConfig("earliest", "none", 30.0, Backoff(1.0, 2.0, 300.0, 0.1, 16), False)
    assert QueueConfig(retention="consumed", retention_age=None, retention_bytes=None) == QueueConfig()
    spec = SubscriptionSpec("default://q", "g", GroupConfig())
    assert (spec.broadcast, spec.update) == (False, False)


def test_a_delivery_without_a_lease_is_no_delivery_to_count() -> None:
    data = bytes.fromhex(load("batches")["valid"][0]["batch"])
    read = Delivery("default://q", 0, 0, 0, data, 0, 1)
    assert (read.lease_id, read.attempt, read.deadline_ms) == (0, 1, 0)
    assert DeliveryOrigin(read).header("deliveryCount", 0) is None
    leased = Delivery("default://q", 0, 0, 0, data, 0, 1, lease_id=7)
    assert DeliveryOrigin(leased).header("deliveryCount", 0) == 1
