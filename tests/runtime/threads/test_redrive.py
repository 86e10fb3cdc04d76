# Generated from tests/runtime/aio/test_redrive.py by scripts/unasync.py: change that file instead.
"""Sending dead letters back, on both faces."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.threads.primitives import sleep


def bury(access_point: object, keys: str) -> None:
    """Dead letters of the group `g` of `q`: a message per letter."""
    with access_point.create_producer() as producer:
        for number, key in enumerate(keys):
            message = producer.create_message("q", b"%d" % number, message_key=key, properties={"n": number})
            producer.send(message)
    die(access_point)


def die(access_point: object) -> int:
    """Fail whatever there is; how many it were."""
    with access_point.create_pull_consumer("q", "g", backoff=Backoff(max_delivery=1)) as consumer:
        messages = consumer.batch_receive(100, timeout=0)
        for message in messages:
            message.nack(reason="no")
        consumer.flush()
        return len(messages)


def test_chosen_ones_in_order_and_the_others_stay(url: str) -> None:
    with connect(url) as access_point:
        bury(access_point, "abab")
        manager = access_point.resource_manager()
        assert [message.data for message in manager.dead_letters("q", "g")] == [b"0", b"1", b"2", b"3"]
        told: list[int] = []
        report = manager.redrive("q", "g", where={"key": "a", "n": 2}, progress=told.append)
        assert (report.found, report.matched, report.redriven, report.refused, sum(told)) == (4, 1, 1, [], 1)
        report = manager.redrive("q", "g", where="header.messageKey = 'b' AND n BETWEEN 1 AND 3", limit=1)
        assert (report.found, report.matched, report.redriven) == (3, 2, 1)
        assert [message.data for message in manager.dead_letters("q", "g")] == [b"0", b"3"]
        report = manager.redrive("q", "g", rate=1000)
        assert (report.found, report.redriven) == (2, 2)
        assert manager.dead_letters("q", "g") == []
        with access_point.create_pull_consumer("q", "g") as consumer:
            back = consumer.batch_receive(10, timeout=0)
        assert [message.data for message in back] == [b"2", b"1", b"0", b"3"]
        assert back[0].properties["dead-letter.redrives"] == 1


def test_what_dies_again_and_again_stays(url: str) -> None:
    with connect(url) as access_point:
        bury(access_point, "a")
        manager = access_point.resource_manager()
        for times in (1, 1, 0):
            report = manager.redrive("q", "g", max_redrives=2)
            assert report.redriven == times
            die(access_point)
        assert [(each.offset, "2 times" in each.reason) for each in report.refused] == [(2, True)]
        assert len(manager.dead_letters("q", "g")) == 1
        assert (manager.redrive("q", "g", max_redrives=3, to="other")).redriven == 1
        assert (manager.describe_queue("other")).messages == 1
        with pytest.raises(OMSRuntimeException) as caught:
            manager.redrive("q", "nobody")
        assert caught.value.code == 1404
        sleep(0)
