import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Message, Record
from openmessaging.runtime.aio.whole import send_whole
from openmessaging.runtime.outgoing import Packer, checked_records


async def test_nothing_is_stored_when_one_queue_is_not_there(memory: str) -> None:
    async with connect(memory) as access_point:
        driver = await access_point.get_driver()
        packer = Packer("default", "none")
        wrong = [Message(Record(b""), "q"), Message(Record(b""), "none://q")]
        with pytest.raises(OMSRuntimeException) as caught:
            await send_whole(driver, packer, wrong, checked_records(wrong, 10), 5.0)
        assert caught.value.code == 1405
        assert sum([(await driver.describe_queue(name)).messages for name in await driver.list_queues("default")]) == 0
        right = [Message(Record(b""), "q"), Message(Record(b""), "r")]
        results = await send_whole(driver, packer, right, checked_records(right, 10), 5.0)
        assert [result.destination for result in results] == ["default://q", "default://r"]
