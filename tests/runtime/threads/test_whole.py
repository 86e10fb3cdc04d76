# Generated from tests/runtime/aio/test_whole.py by scripts/unasync.py: change that file instead.
import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Message, Record
from openmessaging.runtime.outgoing import Packer, checked_records
from openmessaging.runtime.threads.whole import send_whole


def test_nothing_is_stored_when_one_queue_is_not_there(memory: str) -> None:
    with connect(memory) as access_point:
        driver = access_point.get_driver()
        packer = Packer("default", "none")
        wrong = [Message(Record(b""), "q"), Message(Record(b""), "none://q")]
        with pytest.raises(OMSRuntimeException) as caught:
            send_whole(driver, packer, wrong, checked_records(wrong, 10), 5.0)
        assert caught.value.code == 1405
        assert sum([(driver.describe_queue(name)).messages for name in driver.list_queues("default")]) == 0
        right = [Message(Record(b""), "q"), Message(Record(b""), "r")]
        results = send_whole(driver, packer, right, checked_records(right, 10), 5.0)
        assert [result.destination for result in results] == ["default://q", "default://r"]
