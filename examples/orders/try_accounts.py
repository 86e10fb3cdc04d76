# try_accounts.py
import asyncio
import csv

import openmessaging as oms
from accounts import app, blocked, spent
from shop import Order, orders


async def main() -> None:
    with open("cdnow.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    blocked.add("0113")
    async with oms.testing.TestApp(app) as test:
        for row in rows:
            order = Order(int(row["number"]), row["customer"], "cd", int(row["quantity"]), float(row["total"]))
            await orders.send(order, key=order.customer)
        await test.settle()
        print(len(spent), "customers spent", round(sum(spent.values()), 2))
        blocked.clear()
        await test.advance(60.0)
        print(len(spent), "customers spent", round(sum(spent.values()), 2), "and 0113 spent", round(spent["0113"], 2))


asyncio.run(main())
