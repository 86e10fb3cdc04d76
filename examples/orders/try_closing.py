# try_closing.py
import asyncio

import openmessaging as oms
from closing import app
from shop import Order
from warehouse import Movement


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        await test.send("movements", Movement("cd", 100), key="cd")
        await test.advance(86_400.0)
        await test.send("orders", Order(1, "0001", "cd", 2, 29.33))
        await test.advance(2 * 86_400.0)
        print(test.sent("closings"))


asyncio.run(main())
