# try_report.py
import asyncio

import openmessaging as oms
from report import app, sold
from shop import Order


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        for number, article in enumerate(["cd", "vinyl", "cd"], 1):
            await test.send("orders", Order(number, "0001", article, 1, 9.0), key=f"000{number}")
        sold.clear()
        await app.access_point.resource_manager().seek_group("orders", "report", "earliest")
        await test.settle()


asyncio.run(main())
