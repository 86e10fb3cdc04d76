"""One queue, two groups: each group gets every message, at its own pace."""

import asyncio

import openmessaging as oms


async def read(access_point: oms.AccessPoint, group: str, count: int) -> list[str]:
    """The next messages of a group."""
    found: list[str] = []
    async with access_point.create_pull_consumer("prices", group=group) as consumer:
        while len(found) < count:
            message = await consumer.receive(timeout=5)
            assert message is not None
            found.append(message.data.decode())
            await message.ack()
    return found


async def main() -> None:
    """Publish three prices; one group reads all of them, the other begins with two."""
    async with oms.connect("oms:embedded://./store") as access_point:
        async with access_point.create_producer() as producer:
            for price in (b"10.0", b"10.5", b"9.8"):
                await producer.send(producer.create_message("prices", price))
        chart, alarm = await asyncio.gather(read(access_point, "chart", 3), read(access_point, "alarm", 2))
        print("chart", *chart)
        print("alarm", *alarm)
        print("alarm", *await read(access_point, "alarm", 1))


asyncio.run(main())
