"""KeyValue: the properties of a message, a dict that holds nothing the standard has no type for.

Checked on every way in. Types are kept: a number never reads back as another type, a text never as a number.

Source: specification 1.0.0, "types"; Boolean from the Java interface, Binary and Float from the specification.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping
from struct import Struct
from typing import Any, Self, overload

import msgspec

from openmessaging.model.errors import OMSMessageFormatException, bad_format
from openmessaging.model.headers import INT_MAX, LONG_MAX, LONG_MIN, shown

PropertyValue = str | bytes | bool | int | float
"""What a property may be; an int has 64 bits."""

SHORT_MAX = (1 << 15) - 1
MAX_NAME_BYTES = 255
MAX_PROPERTIES_BYTES = 64 << 10

_PLAIN = frozenset((str, bytes, bool, int, float))
_FLOAT = Struct("<f")
_encode = msgspec.msgpack.Encoder().encode


class KeyValue(dict[str, PropertyValue]):
    """A mapping from names (non-empty, printable) to str, bytes, bool, int (64 bit) or float.

    Every way of putting something in raises OMSMessageFormatException 1400, naming the property, for anything else.
    Beside the ways of a dict it has the standard's typed accessors: `put_x` can be chained; `get_x` gives the default
    when the name is missing and raises the format error when the value has another type or does not fit.
    """

    __slots__ = ()

    def __init__(
        self,
        entries: Mapping[str, PropertyValue] | Iterable[tuple[str, PropertyValue]] = (),
        /,
        **named: PropertyValue,
    ) -> None:
        self.update(entries, **named)

    def __setitem__(self, name: str, value: PropertyValue) -> None:
        super().__setitem__(check_name(name), check_value(name, value))

    def update(  # type: ignore[override]
        self,
        entries: Mapping[str, PropertyValue] | Iterable[tuple[str, PropertyValue]] = (),
        /,
        **named: PropertyValue,
    ) -> None:
        """Put all entries in, or none when one is not accepted."""
        checked = {check_name(name): check_value(name, value) for name, value in dict(entries, **named).items()}
        super().update(checked)

    def setdefault(self, name: str, default: PropertyValue = None, /) -> PropertyValue:  # type: ignore[assignment]
        """The value of a name, put in first when missing."""
        if name not in self:
            self[name] = default
        return self[name]

    def __ior__(self, entries: Any, /) -> Self:  # type: ignore[override,misc]
        self.update(entries)
        return self

    def copy(self) -> KeyValue:
        """A copy, checked like this one."""
        return KeyValue(self)

    def contains_key(self, name: str) -> bool:
        """Whether the name is there."""
        return name in self

    def key_set(self) -> KeysView[str]:
        """The names, a live view."""
        return self.keys()

    def put_boolean(self, name: str, value: bool) -> Self:
        """Put true or false."""
        return self._put(name, _typed(name, value, bool))

    def put_short(self, name: str, value: int) -> Self:
        """Put an integer of 16 bits."""
        return self._put(name, _whole(name, value, SHORT_MAX))

    def put_int(self, name: str, value: int) -> Self:
        """Put an integer of 32 bits."""
        return self._put(name, _whole(name, value, INT_MAX))

    def put_long(self, name: str, value: int) -> Self:
        """Put an integer of 64 bits."""
        return self._put(name, _whole(name, value, LONG_MAX))

    def put_float(self, name: str, value: float) -> Self:
        """Put a binary32 number; a value between two of them is rounded, one beyond their range is refused."""
        return self._put(name, _as_binary32(name, _as_double(name, value)))

    def put_double(self, name: str, value: float) -> Self:
        """Put a binary64 number; an int is taken when it converts exactly."""
        return self._put(name, _as_double(name, value))

    def put_string(self, name: str, value: str) -> Self:
        """Put a text."""
        return self._put(name, _typed(name, value, str))

    def put_binary(self, name: str, value: bytes) -> Self:
        """Put bytes."""
        return self._put(name, _typed(name, value, bytes))

    def get_boolean(self, name: str, default: bool = False) -> bool:
        """The truth value of a name."""
        return _typed(name, self[name], bool) if name in self else default

    def get_short(self, name: str, default: int = 0) -> int:
        """The integer of a name, which must fit 16 bits."""
        return _whole(name, self[name], SHORT_MAX) if name in self else default

    def get_int(self, name: str, default: int = 0) -> int:
        """The integer of a name, which must fit 32 bits."""
        return _whole(name, self[name], INT_MAX) if name in self else default

    def get_long(self, name: str, default: int = 0) -> int:
        """The integer of a name."""
        return _whole(name, self[name], LONG_MAX) if name in self else default

    def get_float(self, name: str, default: float = 0.0) -> float:
        """The number of a name, which must be a binary32 number exactly."""
        if name not in self:
            return default
        value: float = _typed(name, self[name], float)
        if value == value and _as_binary32(name, value) != value:
            raise bad_format(name, f"{value!r} is no binary32 number", next_step="Read it with get_double")
        return value

    def get_double(self, name: str, default: float = 0.0) -> float:
        """The floating-point number of a name."""
        return _typed(name, self[name], float) if name in self else default

    @overload
    def get_string(self, name: str) -> str | None: ...
    @overload
    def get_string(self, name: str, default: str) -> str: ...
    def get_string(self, name: str, default: str | None = None) -> str | None:
        """The text of a name."""
        return _typed(name, self[name], str) if name in self else default

    @overload
    def get_binary(self, name: str) -> bytes | None: ...
    @overload
    def get_binary(self, name: str, default: bytes) -> bytes: ...
    def get_binary(self, name: str, default: bytes | None = None) -> bytes | None:
        """The bytes of a name."""
        return _typed(name, self[name], bytes) if name in self else default

    def _put(self, name: str, value: PropertyValue) -> Self:
        self[name] = value
        return self


def check_name(name: Any) -> str:
    """A property name; raises OMSMessageFormatException 1400 unless it is a non-empty printable str."""
    if type(name) is not str:
        if not isinstance(name, str):
            raise bad_format(shown(name), f"a property name is a str, not {type(name).__name__}")
        name = str.__str__(name)
    checked: str = name
    if not checked or not checked.isprintable():
        raise bad_format(shown(checked), "a property name is not empty and printable")
    return checked


def check_value(name: str, value: Any) -> Any:
    """A property value; subclasses of the allowed types become the plain type, so that reading gives what others read.

    Raises OMSMessageFormatException 1400 naming the property.
    """
    if type(value) not in _PLAIN:
        value = _plain(name, value)
    if type(value) is int:
        if not LONG_MIN <= value <= LONG_MAX:
            raise bad_format(name, f"{shown(value)} does not fit 64 bits", next_step="Put it as a str")
    elif type(value) is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as cause:
            raise bad_format(name, "the text holds half a surrogate pair", next_step="Put it as bytes") from cause
    return value


def check_size(properties: Mapping[str, PropertyValue]) -> None:
    """Check the limits of all properties of a message, as the sender does.

    Raises OMSMessageFormatException 1411 for a name over `MAX_NAME_BYTES` of UTF-8, or more than
    `MAX_PROPERTIES_BYTES` of MessagePack for all together.
    """
    for name in properties:
        if len(name) * 4 > MAX_NAME_BYTES and len(name.encode()) > MAX_NAME_BYTES:
            raise _too_large(name, f"the name has {len(name.encode()):,} bytes, the limit is {MAX_NAME_BYTES}")
    size = len(_encode(properties))
    if size > MAX_PROPERTIES_BYTES:
        raise _too_large("properties", f"they have {size:,} bytes, the limit is {MAX_PROPERTIES_BYTES:,}")


def _too_large(field: str, reason: str) -> OMSMessageFormatException:
    return OMSMessageFormatException(1411, f"{shown(field)}: {reason}", next_step="Use the body", field=field)


def _plain(name: str, value: Any) -> PropertyValue:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, bytes):
        return bytes(value)
    raise bad_format(name, f"a property is str, bytes, bool, int or float, not {type(value).__name__}")


def _typed(name: str, value: Any, kind: type) -> Any:
    if isinstance(value, kind):
        return value
    raise bad_format(name, f"{kind.__name__} wanted, not {type(value).__name__} {shown(value)}")


def _whole(name: str, value: Any, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad_format(name, f"int wanted, not {type(value).__name__} {shown(value)}")
    if not -high - 1 <= value <= high:
        raise bad_format(name, f"{shown(value)} is outside {-high - 1} to {high}")
    return value


def _as_double(name: str, value: Any) -> float:
    if isinstance(value, float):
        return value
    whole = _whole(name, value, LONG_MAX)
    if float(whole) != whole:
        raise bad_format(name, f"{whole} is no binary64 number", next_step="Use put_long")
    return float(whole)


def _as_binary32(name: str, value: float) -> float:
    try:
        result: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    except OverflowError as cause:
        raise bad_format(name, f"{value!r} is beyond binary32", next_step="Use put_double") from cause
    return result
