# intake.py
from typing import Annotated

import msgspec

import openmessaging as oms
from shop import Order, app, orders

ARTICLES = {"cd", "vinyl"}


class Form(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    customer: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}$")]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=100)]
    total: Annotated[float, msgspec.Meta(gt=0)]
    article: str = "cd"


@app.listener("forms", group="intake")
async def take_in(form: Form) -> oms.Message:
    """Makes an order of what a customer filled in."""
    if form.article not in ARTICLES:
        raise oms.Reject(f"there is no article {form.article}")
    order = Order(form.number, form.customer, form.article, form.quantity, form.total)
    return orders.message(order, key=order.customer, properties={"total": order.total})
