from datetime import UTC, datetime

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import QueueInfo
from openmessaging.runtime.positions import as_text, partitions_of, per_partition, placed_by_key, split_key

INFO = QueueInfo("default://q", 3, 0, [(0, 0)] * 3, [], {})


def test_texts():
    assert as_text("offset:3") == "offset:3"
    assert as_text(datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)) == "ts:2000"
    assert split_key("key:a:b") == ("a:b", False)
    assert split_key("last-key:") == ("", True)
    assert split_key("key") is None
    assert split_key("offset:1") is None


def test_offsets_of_some_partitions():
    assert per_partition({1: 5}, INFO) == [None, 5, None]
    assert placed_by_key(7, 2, INFO) == [None, None, 7]
    for wrong in ({3: 0}, {-1: 0}, {0: -1}):
        with pytest.raises(OMSRuntimeException) as caught:
            per_partition(wrong, INFO)
        assert caught.value.code == 1418


def test_the_partition_of_a_key_comes_first():
    order = partitions_of("alice", INFO)
    assert sorted(order) == [0, 1, 2]
    assert {partitions_of(key, INFO)[0] for key in "abcdefgh"} == {0, 1, 2}
