"""The access point, both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Capability
from openmessaging.runtime.state import ServiceState


async def test_it_opens_on_first_use_and_closes_what_it_made(url: str) -> None:
    access_point = connect(url, {"ACCOUNT_KEY": "secret"}, namespace="default")
    assert access_point.current_state is ServiceState.INITIALIZED
    assert access_point.attributes["ACCOUNT_KEY"] == "secret"
    assert access_point.spec_version == "1.0.0"
    assert access_point.version
    with pytest.raises(OMSRuntimeException) as caught:
        _ = access_point.capabilities
    assert caught.value.code == 1503
    producer = access_point.create_producer()
    await producer.start()
    consumer = access_point.create_consumer("orders")
    await consumer.start()
    assert access_point.current_state is ServiceState.STARTED
    assert Capability.LEASE in access_point.capabilities
    await producer.send(producer.create_message("orders", b"x"))
    assert access_point.max_body_bytes < 1 << 30
    await access_point.close()
    await access_point.close()
    assert (producer.current_state, consumer.current_state) == (ServiceState.STOPPED, ServiceState.STOPPED)
    assert access_point.current_state is ServiceState.STOPPED
    with pytest.raises(OMSRuntimeException, match="access point is stopped"):
        await producer.start()
    assert producer.current_state is ServiceState.STOPPED
    await access_point.startup()
    await producer.start()
    await access_point.shutdown()


async def test_what_was_sent_is_there_after_reopening(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path}/store"
    async with connect(url) as access_point, access_point.create_producer() as producer:
        message = producer.create_message("orders", b"kept", message_key="k", properties={"a": 1.5})
        sent = await producer.send(message)
    async with connect(url) as access_point, access_point.create_pull_consumer("orders") as consumer:
        received = await consumer.receive(timeout=5)
        assert (received.message_id, received.data, received.properties) == (sent.message_id, b"kept", {"a": 1.5})


async def test_two_access_points_of_one_store_see_each_other(url: str) -> None:
    async with connect(url) as one, connect(url) as other:
        async with one.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
        async with other.create_pull_consumer("orders") as consumer:
            assert (await consumer.receive(timeout=5)).data == b"x"


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("oms://alice@rocketmq.apache.org/us-east", 10001, "oms:"),
        ("redis://localhost", 10001, "oms:"),
        ("oms:unheard://host/region", 10000, "Installed are: embedded, http, https"),
    ],
)
async def test_a_wrong_url_says_what_is_right(url: str, code: int, words: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        await connect(url).startup()
    assert caught.value.code == code
    assert words in str(caught.value)


async def test_settings_are_checked(memory: str) -> None:
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


async def test_a_message_factory_needs_no_connection(memory: str) -> None:
    message = connect(memory).message_factory().create_message("orders", b"x", correlation_id="c")
    assert (message.data, message.extension_header.correlation_id) == (b"x", "c")
