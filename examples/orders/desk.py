# desk.py
import openmessaging as oms
from shop import Order, app

calls = app.publisher("calls", Order)


@app.listener("orders", group="desk", filter="total >= 50")
async def thank(order: Order) -> oms.Message:
    """Has somebody call those who bought much, the best first."""
    return calls.message(order, key=order.customer, priority=9 if order.total >= 100 else 5)
