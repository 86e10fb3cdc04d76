"""What is taken out of the store in one turn of the loop."""

import asyncio

from openmessaging.model.replay import Delivery
from openmessaging.server.pace import BATCHES, BYTES_OF_A_BATCH, Pace


def batches(count: int, size: int = 10) -> list[Delivery]:
    return [Delivery("default://q", 0, number, 0, bytes(size), 0, 1) for number in range(count)]


async def turns_of(pace: Pace, clients: int, taken: list[Delivery]) -> list[int]:
    """In which turn of the loop each of so many clients could take something."""
    turn = 0
    found: list[int] = []

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def take() -> None:
        await pace.turn()
        pace.take(taken)
        found.append(turn)

    counting = asyncio.create_task(count())
    await asyncio.gather(*(take() for _ in range(clients)))
    counting.cancel()
    return found


def test_little_is_taken_at_once() -> None:
    async def work() -> None:
        assert len(set(await turns_of(Pace(), BATCHES, batches(1)))) == 1

    asyncio.run(work())


def test_much_is_taken_one_by_one_and_turns_are_between() -> None:
    async def work() -> None:
        for taken in (batches(BATCHES), batches(1, BATCHES * BYTES_OF_A_BATCH)):
            found = await turns_of(Pace(), 5, taken)
            assert len(set(found)) == 5, "others had their turn in between"

    asyncio.run(work())


def test_who_gives_up_holds_up_nobody() -> None:
    async def work() -> None:
        pace = Pace()
        waiting = [asyncio.create_task(pace.turn()) for _ in range(4)]
        pace.take(batches(BATCHES))
        await asyncio.sleep(0)
        for given_up in waiting[:2]:  # one that was called already, one that was not
            given_up.cancel()
        found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert [type(each) for each in found] == [asyncio.CancelledError] * 2 + [type(None)] * 2
        await pace.turn()

    asyncio.run(work())
