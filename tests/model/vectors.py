"""The vectors of spec/vectors, read once; values in the tagged JSON form are turned into Python's."""

import binascii
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

READ: dict[str, Callable[[str], Any]] = {"long": int, "double": float, "binary": binascii.a2b_base64}
SPEC = Path(__file__).parent.parent.parent / "spec"


def load(name: str) -> Any:
    return json.loads((SPEC / "vectors" / f"{name}.json").read_text(encoding="utf-8"))


def untag(value: Any) -> Any:
    """A value of the tagged form, read by other means than the package's."""
    if isinstance(value, list):
        return [untag(part) for part in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, text),) = value.items()
        if tag in READ and isinstance(text, str):
            return READ[tag](text)
    return {name: untag(part) for name, part in value.items()}


def same(left: Any, right: Any) -> bool:
    """Equal in type, value and sign; NaN equals NaN."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return type(left) is type(right) and repr(left) == repr(right)
