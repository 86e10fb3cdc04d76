# offers.py
import openmessaging as oms
from shop import app

app.queue("offers", expired_queue="missed-offers")


@app.listener("offers", group="telephone", retry=oms.Backoff(initial=1800.0, factor=1.0, maximum=1800.0, jitter=0.0))
async def call(customer: str) -> None:
    """Calls a customer about an offer."""
    raise ConnectionError("nobody answers")
