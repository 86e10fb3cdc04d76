# try_dunning.py
import asyncio

import openmessaging as oms
from dunning import Payment, app, payments
from shop import Invoice, Order, orders


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        await orders.send(Order(1, "0001", "cd", 2, 29.33))
        await orders.send(Order(2, "0002", "cd", 3, 63.34))
        await test.advance(86_400.0)
        await payments.send(Payment(2, 63.34), key="2")
        await test.advance(12 * 86_400.0)
        print("after 13 days:", test.sent("cancelled", Invoice))
        await test.advance(86_400.0)
        print("after 14 days:", test.sent("cancelled", Invoice))


asyncio.run(main())
