"""The blocking module as a user has it; its parts are tested under `tests/runtime/threads`."""

import uuid

from openmessaging import blocking as oms


def test_send_and_receive_without_a_with_block() -> None:
    access_point = oms.connect(f"oms:memory:{uuid.uuid4().hex}")
    producer = access_point.create_producer()
    producer.start()
    producer.send(producer.create_message("orders", b"x"))
    consumer = access_point.create_pull_consumer("orders")
    consumer.start()
    message = consumer.receive(timeout=5)
    assert isinstance(message, oms.ReceivedMessage)
    assert isinstance(message.receipt, oms.MessageReceipt)
    message.ack()
    access_point.close()
    assert consumer.current_state is oms.ServiceState.STOPPED
