# try_letters.py
import asyncio
import io

import openmessaging as oms
from letters import app, print_letter, printer
from shop import Invoice

paper = io.StringIO()
jams = 2


def old_printer() -> io.StringIO:
    global jams
    if jams:
        jams -= 1
        raise OSError("paper jam")
    return paper


async def main() -> None:
    async with oms.testing.TestApp(app, overrides={printer: old_printer}) as test:
        await test.send("invoices", Invoice(1, "0001", 29.33))
        print("after 0 s:", paper.getvalue() or "nothing")
        await test.advance(60.0)
        print("after 60 s:", paper.getvalue() or "nothing")
        await test.advance(120.0)
        print("after 180 s:", paper.getvalue())
        print([call.message.delivery_count for call in test.calls(print_letter)])


asyncio.run(main())
