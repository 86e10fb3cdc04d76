# try_warehouse.py
import asyncio

import openmessaging as oms
from shop import Invoice, Order
from warehouse import Movement, Parcel, app, take_back


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        order = Order(2, "0002", "cd", 3, 63.34)
        await test.send("orders", order)
        print(test.sent("movements", Movement), test.sent("parcels", Parcel))

        await take_back(order, 1)
        try:
            await take_back(order, 10)
        except ValueError as error:
            print("refused:", error)
        print(test.sent("movements", Movement)[1:], test.sent("credit-notes", Invoice))

        for _ in range(2):
            form = app.message("forms", {"number": 7, "customer": "0007", "quantity": 1, "total": 9.0})
            result = await app.producer.send_once(form, key="7")
            print("a duplicate" if result.duplicate else "new")


asyncio.run(main())
