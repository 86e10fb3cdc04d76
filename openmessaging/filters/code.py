"""From a tree to a Python function.

For each predicate there are two Python expressions: one is true exactly when the predicate is true, the other exactly
when it is false; when neither is, it is unknown. So AND, OR and NOT need no third value at run time, and a comparison
becomes Python's own, behind a check of the type. Nothing of the text gets into the code: names and constants go in as
variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openmessaging.filters import tree, values
from openmessaging.filters.like import matcher

_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRROR = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_HELPERS = {"+": values.add, "-": values.subtract, "*": values.multiply, "/": values.divide}
_FALSE = "False"


class Code:
    """The pieces of a condition's function, or of one that gives an expression's value.

    `true` and `false` are expressions over the variables that `lines` set; these in turn use those of `properties` and
    `headers`, by name, which the caller loads; `constants` are the function's globals. Of a value only `value` is
    there: its variable.
    """

    def __init__(self, root: tree.Operand, *, is_value: bool = False) -> None:
        self.properties: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {"NUMBERS": values.NUMBERS}
        self.true = self.false = self.value = ""
        if is_value or not isinstance(root, tree.PREDICATES):
            self.value = self._operand(root)
        else:
            self.true, self.false = self._predicate(root)

    def function(self, lines: list[str]) -> Callable[..., Any]:
        """The function that lines define, by the name `made`."""
        namespace = dict(self.constants)
        # The lines hold names and operators made here, never a part of the condition's text.
        exec(compile("\n".join(lines), "<condition>", "exec"), namespace)  # noqa: S102
        made: Callable[..., Any] = namespace["made"]
        return made

    def constant(self, value: Any) -> str:
        """The variable of a value that the function needs."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def _predicate(self, node: tree.Predicate) -> tuple[str, str]:
        match node:
            case tree.And():
                pairs = [self._predicate(term) for term in node.terms]
                return _joined("and", [true for true, _ in pairs]), _joined("or", [false for _, false in pairs])
            case tree.Or():
                pairs = [self._predicate(term) for term in node.terms]
                return _joined("or", [true for true, _ in pairs]), _joined("and", [false for _, false in pairs])
            case tree.Not():
                true, false = self._predicate(node.term)
                return false, true
            case tree.Truth():
                value = self._operand(node.operand)
                return f"{value} is True", f"{value} is False"
            case tree.IsNull():
                value = self._operand(node.operand)
                return f"({value} is None or {value} != {value})", f"({value} is not None and {value} == {value})"
            case tree.IsTruth():
                true, false = self._predicate(node.operand)
                meant = true if node.value else false
                return f"({meant})", f"not ({meant})"
            case tree.Like():
                value, fits = self._operand(node.operand), self.constant(matcher(node.pattern, node.escape))
                return f"(type({value}) is str and {fits}({value}))", f"(type({value}) is str and not {fits}({value}))"
            case tree.In():
                return self._in(node)
            case tree.Compare():
                return self._compare(node)

    def _operand(self, node: tree.Operand) -> str:
        """A variable that holds the value."""
        match node:
            case tree.Property():
                return self.properties.setdefault(node.name, f"p{len(self.properties)}")
            case tree.HeaderField():
                return self.headers.setdefault(node.name, f"h{len(self.headers)}")
            case tree.Literal():
                return self.constant(node.value)
            case tree.Arithmetic():
                helper = self.constant(_HELPERS[node.operator])
                value = f"{helper}({self._operand(node.left)}, {self._operand(node.right)})"
            case tree.Negative():
                value = f"{self.constant(values.negate)}({self._operand(node.operand)})"
            case _:
                true, false = self._predicate(node)
                value = f"True if {true} else False if {false} else None"
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {value}")
        return name

    def _in(self, node: tree.In) -> tuple[str, str]:
        found = [item.value if isinstance(item, tree.Literal) else item for item in node.items]
        texts = frozenset(item for item in found if isinstance(item, str))
        numbers = frozenset(item for item in found if type(item) in values.NUMBERS)
        if any(isinstance(item, tree.Node | bool) for item in found):
            terms = tuple(tree.Compare(operator="=", left=node.operand, right=item) for item in node.items)
            return self._predicate(tree.Or(terms=terms))
        value = self._operand(node.operand)
        is_number = f"type({value}) in NUMBERS and {value} == {value}"
        true: list[str] = []
        false = _FALSE
        if texts:
            among = self.constant(texts)
            true.append(f"(type({value}) is str and {value} in {among})")
            if not numbers and None not in found:
                false = f"(type({value}) is str and {value} not in {among})"
        if numbers:
            among = self.constant(numbers)
            true.append(f"({is_number} and {value} in {among})")
            if not texts and None not in found:
                false = f"({is_number} and {value} not in {among})"
        return _joined("or", true), false

    def _compare(self, node: tree.Compare) -> tuple[str, str]:
        left, right, operator = node.left, node.right, node.operator
        if isinstance(left, tree.Literal):
            left, right, operator = right, left, _MIRROR[operator]  # type: ignore[assignment]
        one, other = self._operand(left), self._operand(right)
        if not isinstance(right, tree.Literal):
            known = values.alike if operator in ("=", "<>") else values.ordered
            guard = f"{self.constant(known)}({one}, {other})"
        elif right.value is None:
            return _FALSE, _FALSE
        elif isinstance(right.value, bool):
            if operator not in ("=", "<>"):
                return _FALSE, _FALSE
            guard = f"type({one}) is bool"
        elif isinstance(right.value, str):
            guard = f"type({one}) is str"
        else:
            guard = f"type({one}) in NUMBERS"
        true, false = (_compared(one, sign, other) for sign in (operator, _OPPOSITE[operator]))
        return f"({guard} and {true})", f"({guard} and {false})"


def _compared(one: str, operator: str, other: str) -> str:
    """NaN is neither equal nor unequal: it is unknown."""
    if operator == "<>":
        return f"({one} < {other} or {one} > {other})"
    return f"{one} == {other}" if operator == "=" else f"{one} {operator} {other}"


def _joined(word: str, terms: list[str]) -> str:
    kept = [term for term in terms if term != _FALSE] if word == "or" else terms
    if word == "and" and _FALSE in terms:
        return _FALSE
    return f"({f' {word} '.join(kept)})" if kept else _FALSE
