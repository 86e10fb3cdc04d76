"""The sends of one event loop."""

from __future__ import annotations

import asyncio

import pytest

from openmessaging.model.errors import OMSDestinationException
from openmessaging.model.spi import OutgoingBatch
from tests.drivers.embedded.test_aio import outgoing, run, sent


def test_a_lone_sender_stores_within_the_call_until_others_come(tmp_path):
    async def work(driver):
        assert driver.send_now(outgoing(driver, "early")) is None  # not known to be alone yet
        for _ in range(8):
            await sent(driver, outgoing(driver, "a"))
        placement = driver.send_now(outgoing(driver, "b"))
        assert placement is not None
        assert (placement.base_offset, driver.runner.engine.partitions[1].visible) == (8, 9)
        assert driver.send_now(outgoing(driver, "c")) is None  # one per turn
        await asyncio.sleep(0)
        assert driver.send_now(outgoing(driver, "c")) is None  # and not again before it has been alone for a while
        await asyncio.gather(*[sent(driver, outgoing(driver, "d")) for _ in range(3)])
        for _ in range(8):
            await sent(driver, outgoing(driver, "e"))
        assert driver.send_now(outgoing(driver, "f")).base_offset == 20
        wrong = OutgoingBatch("none://q", None, outgoing(driver, "a").batch)
        await asyncio.sleep(0)
        with pytest.raises(OMSDestinationException, match="1405"):
            driver.send_now(wrong)
        assert (await driver.send([outgoing(driver, "g")]))[0].base_offset == 21

    run(work, tmp_path, flush="never")  # whatever the speed of this disk


def test_a_sender_that_fails_at_the_end_of_a_turn_hinders_no_other(tmp_path):
    async def work(driver):
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        driver.soon(lambda: 1 / 0)
        arrived = asyncio.Event()
        driver.soon(arrived.set)
        assert (await driver.send([outgoing(driver, "a")]))[0].base_offset == 0
        assert arrived.is_set()
        assert [type(each) for each in reported] == [ZeroDivisionError]

    run(work, tmp_path)
