from openmessaging.model.spi import Durability, Placement
from openmessaging.runtime.result import SendResult, SendResults, SentOrigin


def origin(sequence: int = 0, partition: int = 0) -> SentOrigin:
    return SentOrigin("default://q", 5, "host:1", 7, sequence, Placement(partition, 100, 6, Durability.FSYNC))


def test_a_result_says_where_the_message_lies() -> None:
    result = SendResult(origin(), 3)
    assert result.message_id == "00000000000500000000070000000003"
    assert (result.destination, result.partition, result.offset) == ("default://q", 0, 103)
    assert (result.store_timestamp, result.durability) == (6, Durability.FSYNC)
    assert "offset 103, fsync" in repr(result)


def test_the_origin_has_the_providers_fields_and_no_others() -> None:
    shared = origin()
    names = ("messageId", "bornTimestamp", "bornHost", "partition", "offset", "storeTimestamp", "traceId")
    assert [shared.header(name, 1) for name in names] == [
        SendResult(shared, 1).message_id,
        5,
        "host:1",
        0,
        101,
        6,
        None,
    ]


def test_results_of_one_batch_and_of_several_read_alike() -> None:
    one = SendResults([(origin(), range(3))], 3)
    assert (len(one), one[-1].offset, [each.offset for each in one[1:]]) == (3, 102, [101, 102])
    several = SendResults([(origin(), [0, 2]), (origin(10, 1), [1])], 3)
    assert len(several) == 3
    assert [(each.partition, each.offset) for each in several] == [(0, 100), (1, 100), (0, 101)]
