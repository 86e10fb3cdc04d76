"""A push consumer: the library calls a function with each message; what it raises brings the message back."""

import asyncio

import openmessaging as oms


async def main() -> None:
    """Send five messages; the listener refuses one of them once."""
    handled: list[bytes] = []
    all_done = asyncio.Event()

    async def on_message(message: oms.Message, context: oms.ListenerContext) -> None:
        if message.data == b"3" and message.delivery_count == 1:
            raise ValueError("not now")
        handled.append(message.data)
        if len(handled) == 5:
            all_done.set()

    async with oms.connect("oms:embedded://./store") as access_point:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message("numbers", b"%d" % number) for number in range(1, 6)])
        consumer = access_point.create_push_consumer("readers", backoff=oms.Backoff(initial=0.2))
        await consumer.bind_queue("numbers", on_message)
        async with consumer:
            await asyncio.wait_for(all_done.wait(), timeout=10)
    print(*(number.decode() for number in handled))


asyncio.run(main())
