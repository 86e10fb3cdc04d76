# try_intake.py
import asyncio

import openmessaging as oms
from intake import app
from shop import Order


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        await test.send("forms", {"number": 1, "customer": "0001", "quantity": 2, "total": 29.33})
        await test.send("forms", {"number": 2, "customer": "bob", "quantity": 1, "total": 9.0})
        await test.send("forms", {"number": 3, "customer": "0003", "quantity": 0, "total": 9.0})
        await test.send("forms", {"number": 4, "customer": "0004", "quantity": 1, "total": 9.0, "article": "tape"})
        print(test.sent("orders", Order))
        for dead in test.dead_letters("forms", "intake"):
            print(dead.properties["dead-letter.reason"])


asyncio.run(main())
