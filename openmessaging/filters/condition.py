"""A compiled condition: for one message, and for the messages of a stored batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from openmessaging.filters import tree
from openmessaging.filters.code import Code
from openmessaging.model.headers import FIELDS

Header = Callable[[str], Any]
"""The value of a header field by its standard name; None when unset."""
HeaderAt = Callable[[str, int], Any]
"""The same for the message at a place in a batch."""
Decode = Callable[[bytes | memoryview], list[Any]]
_CACHED = 1_024


class Slim(msgspec.Struct, array_like=True, gc=False):
    """A stored message with no more decoded than a condition looks at; each condition makes a type of its own."""

    data: msgspec.Raw
    message_key: Any = None
    properties: Any = None
    headers: Any = None


class Condition:
    """What a filter asks of a message. Make it with `compile_condition`; safe to share between threads."""

    __slots__ = ("_evaluate", "decode", "decode_sparse", "headers", "needles", "properties", "root", "select", "text")

    def __init__(self, text: str, root: tree.Predicate) -> None:
        self.text = text
        """As it was written."""
        self.root = root
        """The tree."""
        code = Code(root)
        self.properties = tuple(code.properties)
        """Names of the properties it looks at."""
        self.headers = tuple(code.headers)
        """Header fields it looks at, by their standard names."""
        self._evaluate: Callable[[Mapping[str, Any], Header], bool | None] = _for_one(code)
        self.select: Callable[[Sequence[Any], int, HeaderAt | None], list[int]] = _for_many(code)
        """Places of the messages that match: of records (`decode`), counted from a first place; the last argument
        reads header fields and is only used when `headers` has any."""
        record = _record(code)
        self.decode: Decode = msgspec.msgpack.Decoder(list[record]).decode  # type: ignore[valid-type]
        """The records of a batch, decompressed, with no more in them than `select` needs. Raises
        msgspec.DecodeError."""
        self.decode_sparse: Decode = msgspec.msgpack.Decoder(list[record | None]).decode  # type: ignore[valid-type]
        """The same for a batch with holes."""
        self.needles = _needles(root) if not code.headers else ()
        """Bytes: a batch can have a match only if, for each of these, its records hold one of them."""

    def evaluate(self, properties: Mapping[str, Any] | None, header: Header | None = None) -> bool | None:
        """True, False or None (unknown) for a message's properties and header fields."""
        return self._evaluate(properties or {}, header or _no_header)

    def matches(self, properties: Mapping[str, Any] | None, header: Header | None = None) -> bool:
        """Whether the condition is true: unknown is no match."""
        return self._evaluate(properties or {}, header or _no_header) is True


@lru_cache(maxsize=_CACHED)
def compile_condition(*texts: str) -> Condition:
    """The condition of a text, or of several of which all must hold. The latest are kept, so asking again is cheap.

    Raises OMSRuntimeException 1418 (field `filter`) with a mark below the place in the text that is wrong.
    """
    from openmessaging.filters.parse import parse  # loads the parser, which programs without filters need not wait for

    terms = tuple(map(parse, texts))
    return Condition(" AND ".join(texts), terms[0] if len(terms) == 1 else tree.And(terms=terms))


def _for_one(code: Code) -> Callable[..., bool | None]:
    return evaluating(code, f"True if {code.true} else False if {code.false} else None")


def evaluating(code: Code, result: str) -> Callable[..., Any]:
    """A function of properties and header fields that returns what an expression of the code's variables gives."""
    loads = [f"    {name} = get({code.constant(key)})" for key, name in code.properties.items()]
    for key, name in code.headers.items():
        loads += _header_lines(code, key, name, "")
    steps = [f"    {line}" for line in code.lines]
    start = ["def made(properties, header):", "    get = properties.get"]
    return code.function([*start, *loads, *steps, f"    return {result}"])


def _header_lines(code: Code, key: str, name: str, place: str) -> list[str]:
    """An unset field has the standard's default."""
    lines = [f"    {name} = header({code.constant(key)}{place})"]
    if FIELDS[key].default is not None:
        lines.append(f"    if {name} is None: {name} = {code.constant(FIELDS[key].default)}")
    return lines


def _for_many(code: Code) -> Callable[..., list[int]]:
    lines = ["def made(records, at, header):", "    found = []", "    for record in records:"]
    names = list(code.properties.values())
    if names:
        lines += ["        properties = record.properties", "        if properties is None:"]
        lines += [f"            {' = '.join(names)} = None", "        else:"]
        if _as_struct(code):
            lines += [f"            {name} = properties.{name}" for name in names]
        else:
            lines += [
                f"            {name} = properties.get({code.constant(key)})" for key, name in code.properties.items()
            ]
    for key, name in code.headers.items():
        lines += [f"    {line}" for line in _header_lines(code, key, name, ", at")]
    lines += [f"        {line}" for line in code.lines]
    lines += [f"        if {code.true}:", "            found.append(at)", "        at += 1", "    return found"]
    return code.function(lines)


def _as_struct(code: Code) -> bool:
    """Whether the names of the properties can be names of a struct's fields."""
    return all(name.isprintable() and not {'"', "\\"} & set(name) for name in code.properties)


def _record(code: Code) -> Any:
    """Properties become a struct with just those that are needed: the others are passed over, not built."""
    names = {variable: key for key, variable in code.properties.items()}
    fields: list[tuple[str, Any, Any]] = [(variable, Any, None) for variable in names]
    kind: Any = dict[str, Any]
    if _as_struct(code):
        kind = msgspec.defstruct("Properties", fields, rename=names, gc=False)
    wanted: list[tuple[str, Any, Any]] = [("properties", kind | None if names else Any, None)]
    if code.headers:
        wanted.append(("headers", dict[str, Any] | None, None))
    return msgspec.defstruct("Wanted", wanted, bases=(Slim,), array_like=True, gc=False)


def _needles(node: tree.Predicate) -> tuple[tuple[bytes, ...], ...]:
    """What must stand in the bytes for a match: of each AND-ed term that is unknown without a property, a name."""
    match node:
        case tree.And():
            return tuple(needle for term in node.terms for needle in _needles(term))
        case tree.Compare(operator="=", left=tree.Property() as one, right=tree.Literal(value=str() as text)):
            return (one.name.encode(),), (text.encode(),)
        case tree.Compare(left=tree.Property() as one, right=tree.Literal()):
            return ((one.name.encode(),),)
        case tree.In(operand=tree.Property() as one) | tree.Like(operand=tree.Property() as one):
            return ((one.name.encode(),),)
    return ()


def _no_header(_: str) -> None:
    return None
