# try_accounts.py
import asyncio
import csv

import openmessaging as oms
from accounts import app, blocked, spent
from shop import Order, orders


def real_orders() -> list[Order]:
    with open("cdnow.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Order(int(row["number"]), row["customer"], "cd", int(row["quantity"]), float(row["total"])) for row in rows]


async def main() -> None:
    blocked.add("0113")
    async with oms.testing.TestApp(app) as test:
        for order in real_orders():
            await orders.send(order, key=order.customer)
        await test.settle()
        print(len(spent), "customers spent", round(sum(spent.values()), 2))
        blocked.clear()
        await test.advance(60.0)
        print(len(spent), "customers spent", round(sum(spent.values()), 2), "and 0113 spent", round(spent["0113"], 2))


asyncio.run(main())
