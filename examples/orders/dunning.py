# dunning.py
import msgspec

import openmessaging as oms
from shop import Invoice, app


class Payment(msgspec.Struct):
    order: int
    amount: float


app.queue("payments", compact=True)
payments = app.publisher("payments", Payment)
due = app.publisher("due", Invoice)

TWO_WEEKS = 14 * 86_400.0


@app.listener("invoices", group="dunning")
async def give_time(invoice: Invoice) -> oms.Message:
    """Comes back to an invoice in two weeks."""
    return due.message(invoice, key=invoice.customer, delay=TWO_WEEKS)


@app.listener("due", group="dunning", sends_to="cancelled")
async def look(invoice: Invoice) -> Invoice | None:
    """Cancels what was not paid."""
    payment = await app.access_point.table("payments").get(str(invoice.order))
    return invoice if payment is None else None
