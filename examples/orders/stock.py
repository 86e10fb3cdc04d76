# stock.py
import openmessaging as oms
from warehouse import Movement, app

app.queue("stock", compact=True)
levels = app.publisher("stock", int)


@app.listener("movements", group="stock", order="key")
async def count(movement: Movement) -> oms.Message:
    """Keeps how many of each article are on the shelf."""
    before = await app.access_point.table("stock").get(movement.article)
    level = movement.quantity + (int(before.data) if before else 0)
    return levels.message(level, key=movement.article)
