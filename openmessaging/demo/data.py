"""The flights: 20,000 real ones that come with the package, or a file of the same form.

The file in the package is made by `scripts/pack_flights.py`: the columns as one JSON object, LZMA-compressed.
"""

from __future__ import annotations

import json
import lzma
from importlib.resources import files
from pathlib import Path

import msgspec

from openmessaging.model.errors import OMSMessageFormatException, error

PACKED = "flights.json.xz"
LATE_AFTER = 60
"""Minutes; a flight with a greater delay is late."""
_FORM = (
    'The file is a JSON array of {"date", "delay", "distance", "origin", "destination"}, delay and distance integers'
)


class Flight(msgspec.Struct, frozen=True):
    """One flight."""

    date: str
    """Local departure, YYYY/MM/DD HH:MM."""
    delay: int
    """Minutes late at arrival, below 0 when early."""
    distance: int
    """Miles."""
    origin: str
    """Airport it came from."""
    destination: str
    """Airport it went to."""

    @property
    def late(self) -> bool:
        """Whether it was more than an hour late."""
        return self.delay > LATE_AFTER


def pack(flights: list[Flight]) -> bytes:
    """Flights as the file in the package holds them."""
    columns = {name: [getattr(flight, name) for flight in flights] for name in Flight.__struct_fields__}
    return lzma.compress(msgspec.json.encode(columns), preset=9 | lzma.PRESET_EXTREME)


def unpack(packed: bytes) -> list[Flight]:
    """The inverse of `pack`."""
    columns = json.loads(lzma.decompress(packed))
    return [Flight(*row) for row in zip(*(columns[name] for name in Flight.__struct_fields__), strict=True)]


def read(path: str | None) -> list[Flight]:
    """The flights of a file, or, with None, those of the package.

    Raises OMSRuntimeException 1418 for a file that cannot be read or a wrong field (named), OMSMessageFormatException
    1400 for one that is not JSON (the line named).
    """
    if path is None:
        return unpack((files("openmessaging.demo") / PACKED).read_bytes())
    try:
        content = Path(path).read_bytes()
    except OSError as cause:
        raise error(1418, f"{path}: {cause.strerror or cause}", next_step="Name a file that can be read") from cause
    try:
        flights = msgspec.json.decode(content, type=list[Flight])
    except msgspec.ValidationError as cause:
        what, _, where = str(cause).partition(" - at `$")
        raise error(
            1418, f"{path}, {_place(where)}: {what}", next_step=_FORM, field=where.strip("`") or None
        ) from cause
    except (msgspec.DecodeError, RecursionError, UnicodeError) as cause:
        raise _not_json(path, content, cause) from cause
    if not flights:
        raise error(1418, f"{path} holds no flights", next_step=_FORM)
    return flights


def _place(where: str) -> str:
    """`[3].delay` as `flight 4, delay`."""
    number, _, field = where.strip("`").removeprefix("[").partition("]")
    if not number.isdigit():
        return "the document"
    return f"flight {int(number) + 1}" + (f", field {field.removeprefix('.')}" if field else "")


def _not_json(path: str, content: bytes, cause: Exception) -> OMSMessageFormatException:
    """The slower reader knows the line."""
    text = str(cause)
    try:
        json.loads(content)
    except json.JSONDecodeError as found:
        text = f"line {found.lineno}, column {found.colno}: {found.msg}"
    except (ValueError, RecursionError):
        pass
    return OMSMessageFormatException(1400, f"{path} is not JSON: {text}", next_step=_FORM, field=path)
