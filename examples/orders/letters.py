# letters.py
from collections.abc import Iterator
from typing import Annotated, TextIO

import openmessaging as oms
from shop import Invoice, app


def printer() -> Iterator[TextIO]:
    with open("letters.txt", "a", encoding="utf-8") as paper:
        yield paper


@app.listener("invoices", group="letters", retry=oms.Backoff(initial=60.0, factor=2.0, jitter=0.0, max_delivery=5))
async def print_letter(invoice: Invoice, paper: Annotated[TextIO, oms.Depends(printer)]) -> None:
    """Prints an invoice."""
    paper.write(f"Customer {invoice.customer}, please pay {invoice.total:.2f} for order {invoice.order}.\n")
