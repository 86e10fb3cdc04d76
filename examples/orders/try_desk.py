# try_desk.py
import asyncio

import openmessaging as oms
from desk import app
from intake import Form


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        for number, total in enumerate([29.33, 63.34, 226.0, 70.62], 1):
            await test.send("forms", Form(number, f"000{number}", 2, total))
        async with app.access_point.create_pull_consumer("calls", group="phone", prefetch=1) as consumer:
            while message := await consumer.receive(timeout=0):
                print(message.extension_header.priority, message.data.decode())
                await message.ack()


asyncio.run(main())
