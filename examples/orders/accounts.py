# accounts.py
import asyncio

import openmessaging as oms
from shop import Order, app

spent: dict[str, float] = {}
blocked: set[str] = set()


@app.listener("orders", group="accounts", order="key", concurrency=8, retry=oms.Backoff(initial=60.0, jitter=0.0))
async def book(order: Order) -> None:
    """Adds up what each customer has spent."""
    if order.customer in blocked:
        raise LookupError(f"the account of {order.customer} is blocked")
    before = spent.get(order.customer, 0.0)
    await asyncio.sleep(0.01)  # as long as a database takes
    spent[order.customer] = before + order.total
