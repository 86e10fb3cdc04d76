# closing.py
from stock import app

app.schedule("closing", "closing-time", b"", every=86_400.0)


@app.listener("closing-time", group="office", sends_to="closings")
async def close() -> dict[str, int]:
    """Writes down each day what is on the shelf."""
    return {str(level.message_key): int(level.data) async for level in app.access_point.table("stock")}
