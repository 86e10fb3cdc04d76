import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSDestinationException


async def test_metadata_of_every_partition(memory: str) -> None:
    async with connect(memory) as access_point:
        await access_point.resource_manager().create_queue("wide", partitions=2)
        extension = access_point.create_producer().get_extension()
        found = await extension.get_queue_meta_data("wide")
        assert [(each.queue_name, each.partition_id) for each in found] == [
            ("default://wide", 0),
            ("default://wide", 1),
        ]
        with pytest.raises(OMSDestinationException):
            await extension.get_queue_meta_data("never")
