# report.py
from collections import Counter

from shop import Order, app

sold: Counter[str] = Counter()


@app.listener("orders", group="report")
async def add(order: Order) -> None:
    """Counts what was sold."""
    sold[order.article] += order.quantity
    print("sold so far:", dict(sold))
