"""Kafka itself, as it is started for tests."""

import os
import time

import pytest

from openmessaging.testing.servers.kafka import Kafka
from openmessaging.testing.servers.server import Missing

admin = pytest.importorskip("confluent_kafka.admin")


def test_it_keeps_what_it_has_when_it_is_killed() -> None:
    server = Kafka()
    try:
        server.start()
    except Missing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    with_it = {"bootstrap.servers": f"127.0.0.1:{server.port}"}
    try:
        client = admin.AdminClient(with_it)
        assert client.create_topics([admin.NewTopic("kept", 1, 1)])["kept"].result(20) is None
        server.kill()
        began = time.monotonic()
        server.start()
        assert "kept" in client.list_topics(timeout=20).topics
        assert time.monotonic() - began < 60
        assert server.url == f"oms:kafka://127.0.0.1:{server.port}/local"
    finally:
        server.stop()
    assert server.processes == []
