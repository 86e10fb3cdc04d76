# Generated from tests/runtime/aio/test_access_point.py by scripts/unasync.py: change that file instead.
"""The access point, both faces."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Capability
from openmessaging.runtime.state import ServiceState


def test_it_opens_on_first_use_and_closes_what_it_made(url: str) -> None:
    access_point = connect(url, {"ACCOUNT_KEY": "secret"}, namespace="default")
    assert access_point.current_state is ServiceState.INITIALIZED
    assert access_point.attributes["ACCOUNT_KEY"] == "secret"
    assert access_point.spec_version == "1.0.0"
    assert access_point.version
    with pytest.raises(OMSRuntimeException) as caught:
        _ = access_point.capabilities
    assert caught.value.code == 1503
    producer = access_point.create_producer()
    producer.start()
    consumer = access_point.create_consumer("orders")
    consumer.start()
    assert access_point.current_state is ServiceState.STARTED
    assert Capability.LEASE in access_point.capabilities
    producer.send(producer.create_message("orders", b"x"))
    assert access_point.max_body_bytes < 1 << 30
    access_point.close()
    access_point.close()
    assert (producer.current_state, consumer.current_state) == (ServiceState.STOPPED, ServiceState.STOPPED)
    assert access_point.current_state is ServiceState.STOPPED
    with pytest.raises(OMSRuntimeException, match="access point is stopped"):
        producer.start()
    assert producer.current_state is ServiceState.STOPPED
    access_point.startup()
    producer.start()
    access_point.shutdown()


def test_what_was_sent_is_there_after_reopening(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path}/store"
    with connect(url) as access_point, access_point.create_producer() as producer:
        message = producer.create_message("orders", b"kept", message_key="k", properties={"a": 1.5})
        sent = producer.send(message)
    with connect(url) as access_point, access_point.create_pull_consumer("orders") as consumer:
        received = consumer.receive(timeout=5)
        assert (received.message_id, received.data, received.properties) == (sent.message_id, b"kept", {"a": 1.5})


def test_two_access_points_of_one_store_see_each_other(url: str) -> None:
    with connect(url) as one, connect(url) as other:
        with one.create_producer() as producer:
            producer.send(producer.create_message("orders", b"x"))
        with other.create_pull_consumer("orders") as consumer:
            assert (consumer.receive(timeout=5)).data == b"x"


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("oms://alice@rocketmq.apache.org/us-east", 10001, "oms:"),
        ("redis://localhost", 10001, "oms:"),
        ("oms:unheard://host/region", 10000, "Installed are: embedded, http, https"),
    ],
)
def test_a_wrong_url_says_what_is_right(url: str, code: int, words: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        connect(url).startup()
    assert caught.value.code == code
    assert words in str(caught.value)


def test_settings_are_checked(memory: str) -> None:
    for timeout in ("soon", 0, -1, None):
        with pytest.raises(OMSRuntimeException, match="OPERATION_TIMEOUT"):
            connect(memory, {"OPERATION_TIMEOUT": timeout}).create_producer()
    assert connect(memory, {"OPERATION_TIMEOUT": 1500}).operation_timeout == 1.5
    for call in (
        lambda: connect(memory, namespace="a/b"),
        lambda: connect(memory).create_pull_consumer("a/b"),
        lambda: connect(memory).create_pull_consumer("a", group="x/y"),
        lambda: connect(memory, {"CONSUMER_ID": "/"}).create_push_consumer(),
    ):
        with pytest.raises(OMSRuntimeException, match="no valid name") as caught:
            call()
        assert caught.value.code == 1418


def test_a_message_factory_needs_no_connection(memory: str) -> None:
    message = connect(memory).message_factory().create_message("orders", b"x", correlation_id="c")
    assert (message.data, message.extension_header.correlation_id) == (b"x", "c")
