# warehouse.py
import msgspec

import openmessaging as oms
from shop import Invoice, Order, app


class Movement(msgspec.Struct):
    article: str
    quantity: int


class Parcel(msgspec.Struct):
    order: int
    customer: str
    quantity: int


app.queue("forms", deduplication_window=86_400.0)
movements = app.publisher("movements", Movement)
parcels = app.publisher("parcels", Parcel)
credit_notes = app.publisher("credit-notes", Invoice)


@app.listener("orders", group="warehouse")
async def pack(order: Order) -> list[oms.Message]:
    """Takes an order's articles from the shelf and into a parcel."""
    return [
        movements.message(Movement(order.article, -order.quantity), key=order.article),
        parcels.message(Parcel(order.number, order.customer, order.quantity), key=order.customer),
    ]


async def take_back(order: Order, returned: int) -> None:
    """Puts returned articles back on the shelf and makes a credit."""
    async with app.producer.transaction() as transaction:
        await transaction.send(movements.message(Movement(order.article, returned), key=order.article))
        if returned > order.quantity:
            raise ValueError(f"order {order.number} had {order.quantity}")
        credit = Invoice(order.number, order.customer, order.total * returned / order.quantity)
        await transaction.send(credit_notes.message(credit, key=order.customer))
