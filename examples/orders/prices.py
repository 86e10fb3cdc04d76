# prices.py
import msgspec

import openmessaging as oms
from shop import app

PRICES = {"cd": 14.99, "vinyl": 24.99}


class Basket(msgspec.Struct):
    article: str
    quantity: int


@app.service("prices")
async def price(basket: Basket) -> float:
    """Says what a basket costs; from ten pieces on, a tenth less."""
    if basket.article not in PRICES:
        raise oms.OMSRuntimeException(1400, f"there is no article {basket.article}")
    full = PRICES[basket.article] * basket.quantity
    return round(full * 0.9 if basket.quantity >= 10 else full, 2)
