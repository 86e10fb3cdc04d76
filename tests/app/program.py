"""An app with a bit of everything, for the documents."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, TypedDict

import msgspec
import pydantic

import openmessaging as oms


class Order(msgspec.Struct):
    """An order of a customer."""

    item: str
    quantity: int = 1


@dataclass
class Invoice:
    total: float


class Customer(pydantic.BaseModel):
    name: str


class Address(TypedDict):
    street: str


app = oms.App("oms:embedded://./never-opened", title="Shop <1>", version="1.2.0", description="Sells & ships.")
parcels = app.publisher("parcels", Address, description="To the parcel service.")
app.publisher("parcels", bytes)


def connection() -> Iterator[str]:
    yield "connection"


@app.listener("orders", group="billing", sends_to="invoices", order="key")
async def bill(order: Order, message: oms.Message, db: Annotated[str, oms.Depends(connection)]) -> Invoice | None:
    """Makes an invoice."""


@app.listener(["customers", "old customers"])
async def greet(customer: Customer) -> None: ...


@app.listener("lines", batch=10, sends_to="numbers", codec=oms.MessagePackCodec())
async def count(lines: list[str]) -> list[int]:
    return [len(line) for line in lines]


@app.listener("users")
async def welcome(user: str, user_id: int = 0) -> None: ...


@app.listener("ticks")
async def tick() -> None: ...


@app.service("prices", group="shop")
async def price(order: Order) -> Invoice | None:
    """Tells what an order would cost."""
    return Invoice(2.5 * order.quantity)


@app.service("countdown")
async def count_down(start: int) -> AsyncIterator[int]:
    for number in range(start, 0, -1):
        yield number
