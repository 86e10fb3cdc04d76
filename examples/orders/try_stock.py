# try_stock.py
import asyncio

import openmessaging as oms
from shop import Order
from stock import Movement, app


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        await test.send("movements", Movement("cd", 100), key="cd")
        await test.send("movements", Movement("vinyl", 10), key="vinyl")
        await test.send("orders", Order(2, "0002", "cd", 3, 63.34))
        async for level in app.access_point.table("stock"):
            print(level.message_key, level.data.decode())


asyncio.run(main())
