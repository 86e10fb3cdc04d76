# try_prices.py
import asyncio

import openmessaging as oms
from prices import Basket, app


async def main() -> None:
    async with oms.testing.TestApp(app):
        print(await app.request("prices", Basket("cd", 2), float))
        print(await app.request("prices", Basket("cd", 10), float, timeout=2.0))
        try:
            await app.request("prices", Basket("tape", 1), float)
        except oms.OMSRemoteException as error:
            print(error)
        try:
            await app.request("prices", {"article": "cd", "quantity": "two"}, float)
        except oms.OMSRemoteException as error:
            print(error)
        try:
            await app.request("discounts", Basket("cd", 2), float)
        except oms.OMSRuntimeException as error:
            print(error)


asyncio.run(main())
