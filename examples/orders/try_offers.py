# try_offers.py
import asyncio

import openmessaging as oms
from offers import app, call


async def main() -> None:
    async with oms.testing.TestApp(app) as test:
        await test.send("offers", "0001", ttl=3600.0)
        await test.advance(2 * 86_400.0)
        print(len(test.calls(call)), "calls, missed:", test.sent("missed-offers", str))


asyncio.run(main())
