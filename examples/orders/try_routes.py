# try_routes.py
import asyncio

import openmessaging as oms
from shop import Order, app


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        manager = app.access_point.resource_manager()
        await manager.create_routing("audit", "orders", "audits", ["filter total >= 100", "set checked = FALSE"])
        for number, total in enumerate([29.33, 226.0, 63.34], 1):
            await test.send("orders", Order(number, "0001", "cd", 2, total), properties={"total": total})
        for message in test.messages("audits"):
            print(message.data.decode(), dict(message.properties))
        info = await manager.describe_routing("audit")
        print(info.routed, "routed,", info.dropped, "not")


asyncio.run(main())
