# Generated from tests/runtime/aio/test_extension.py by scripts/unasync.py: change that file instead.
import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSDestinationException


def test_metadata_of_every_partition(memory: str) -> None:
    with connect(memory) as access_point:
        access_point.resource_manager().create_queue("wide", partitions=2)
        extension = access_point.create_producer().get_extension()
        found = extension.get_queue_meta_data("wide")
        assert [(each.queue_name, each.partition_id) for each in found] == [
            ("default://wide", 0),
            ("default://wide", 1),
        ]
        with pytest.raises(OMSDestinationException):
            extension.get_queue_meta_data("never")
