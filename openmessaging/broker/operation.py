"""The root of what an entry may do, apart so that each noun can have its operations beside it."""

from __future__ import annotations

import msgspec


class Operation(msgspec.Struct, array_like=True, tag_field="op", frozen=True, gc=False):
    """Root of all operations; each is one change of the broker's state."""
