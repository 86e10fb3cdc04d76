"""Each kind of difference is found, counted and named."""

import asyncio
from typing import Any

import pytest

from openmessaging.mirror import Difference, compare
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSDestinationException
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch
from tests.mirror.flights import access_point


def message(name: str, key: str | None = None, body: bytes = b"", **headers: Any) -> Record:
    return Record(body, key, {"n": 1}, {"messageId": name, "bornTimestamp": 5, **headers})


PLAIN = [message("1"), message("2"), message("3", "k"), message("4", "k", priority=9), message("5", "k")]


async def compared(ours: list[Record], theirs: list[Record]) -> Difference:
    async with access_point("oms:memory:ours") as source, access_point("oms:memory:theirs") as target:
        for side, records in ((source, ours), (target, theirs)):
            await side.resource_manager().create_queue("q")
            driver = await side.get_driver()
            if records:
                await driver.send([OutgoingBatch("default://q", 0, encode_own(records, 7))])
        found = await compare(source, target, "q")
        for side in (source, target):
            await side.resource_manager().delete_queue("q")
        return found


@pytest.mark.parametrize(
    ("theirs", "expected", "examples"),
    [
        (PLAIN, {}, {}),
        (PLAIN[:-1], {"missing": 1}, {"missing": ["5"]}),
        ([*PLAIN, message("6")], {"extra": 1}, {"extra": ["6"]}),
        ([*PLAIN, PLAIN[0]], {"repeated": 1}, {}),
        ([message("1", body=b"x"), *PLAIN[1:]], {"changed": 1}, {"changed": ["1"]}),
        ([message("1", bornHost="h"), *PLAIN[1:]], {"changed": 1}, {"changed": ["1"]}),
        ([*PLAIN[:2], PLAIN[4], PLAIN[3], PLAIN[2]], {"reordered": 1}, {"reordered": ["key k"]}),
        ([PLAIN[1], PLAIN[0], *PLAIN[2:]], {"reordered": 1}, {"reordered": ["partition 0"]}),
        ([PLAIN[2], PLAIN[3], PLAIN[0], PLAIN[1], PLAIN[4]], {}, {}),  # only what shares a key has an order
        ([PLAIN[0], PLAIN[1], PLAIN[3], PLAIN[2], PLAIN[4]], {}, {}),  # one overtakes by its priority
        ([], {"missing": 5}, {"missing": ["1", "2", "3", "4", "5"]}),
    ],
)
def test_differences(theirs: list[Record], expected: dict[str, int], examples: dict[str, list[str]]) -> None:
    found = asyncio.run(compared(PLAIN, theirs))
    kinds = ("missing", "extra", "repeated", "changed", "reordered")
    assert {kind: getattr(found, kind) for kind in kinds if getattr(found, kind)} == expected
    assert (found.source, found.target) == (5, len(theirs))
    assert found.examples == examples
    assert found.is_none == (not expected)


def test_types_of_properties_count() -> None:
    one, other = message("1"), message("1")
    one.properties, other.properties = {"n": 1}, {"n": 1.0}
    assert asyncio.run(compared([one], [other])).changed == 1


def test_a_queue_that_is_not_there() -> None:
    async def run() -> None:
        async with access_point("oms:memory:ours") as source, access_point("oms:memory:theirs") as target:
            await compare(source, target, "nowhere")

    with pytest.raises(OMSDestinationException):
        asyncio.run(run())
