# try_shop.py
import asyncio

import openmessaging as oms
from shop import Invoice, Order, app, bill, orders


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        await orders.send(Order(1, "0001", "cd", 2, 29.33), key="0001")
        await orders.send(Order(2, "0002", "cd", 3, 63.34), key="0002")
        await test.settle()
        print(test.received(bill))
        print(test.sent("invoices", Invoice))


asyncio.run(main())
