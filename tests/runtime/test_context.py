import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.aio.received import received
from openmessaging.runtime.context import ListenerContext
from openmessaging.runtime.lease import leased
from tests.runtime.test_lease import Ledger, delivery_of


def test_some_or_all_messages_are_acknowledged() -> None:
    ledger = Ledger(range(40, 43))
    [(lease, delivery)] = leased(ledger, [delivery_of(3, 0, 3)])
    messages = received(lease, delivery)
    context = ListenerContext(messages, {"a": 1})
    context.success(messages[0], messages[2].receipt)
    assert ledger.left == {41}
    context.ack()
    assert ledger.left == set()
    assert context.attributes == {"a": 1}
    [(other_lease, other)] = leased(Ledger([40]), [delivery_of(1, 0, 1, lease_id=9)])
    with pytest.raises(OMSRuntimeException, match="not of this call"):
        context.success(received(other_lease, other)[0].receipt)


def test_a_message_may_be_rejected() -> None:
    ledger = Ledger(range(40, 42))
    [(lease, delivery)] = leased(ledger, [delivery_of(2, 0, 2)])
    messages = received(lease, delivery)
    context = ListenerContext(messages, {})
    context.reject(messages[1].receipt, "never")
    context.reject(messages[0])
    assert ledger.calls == [("reject", [41]), ("reject", [40])]
