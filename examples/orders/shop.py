# shop.py
import msgspec

import openmessaging as oms

app = oms.App("oms:embedded://./store", title="shop", version="1.0.0")


class Order(msgspec.Struct):
    number: int
    customer: str
    article: str
    quantity: int
    total: float


class Invoice(msgspec.Struct):
    order: int
    customer: str
    total: float


app.queue("orders", retention="keep")
orders = app.publisher("orders", Order)


@app.listener("orders", group="billing", sends_to="invoices")
async def bill(order: Order) -> Invoice:
    """Makes an invoice of each order."""
    return Invoice(order.number, order.customer, order.total)
