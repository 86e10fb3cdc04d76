"""From text to tree. The grammar is sqlglot's, what of it is a condition is decided here; see `tree`."""

from __future__ import annotations

from sqlglot import Token, TokenType, exp
from sqlglot.errors import ParseError
from sqlglot.parser import Parser

from openmessaging.filters import tree
from openmessaging.filters.like import matcher
from openmessaging.filters.place import refused
from openmessaging.filters.tokens import MAX_DEPTH, tokens
from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException
from openmessaging.model.headers import FIELDS, LONG_MAX

TAGS = "TAGS"
"""The property that holds a message's tag."""
_UNKNOWN_HEADERS = frozenset(("deliveryCount", "compression"))
"""Fields that a condition cannot use: they say something about a delivery."""
_COMPARE: dict[type[exp.Expr], tree.Comparison] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="
}  # fmt: skip
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_EXPECTED = frozenset(
    ("this", "expression", "expressions", "low", "high", "negate", "table", "quoted", "is_string", "typed", "safe")
)
"""Arguments of the parser's nodes that are looked at, or say nothing here."""


def parse(text: str) -> tree.Predicate:
    """The tree of a condition. Raises OMSRuntimeException 1418 with the place of what is wrong."""
    found = tokens(text)
    if not found:
        raise refused(text, "there is no condition", 0, 0, "Write one, as in color = 'red'")
    tags = _tags(found)
    if tags is not None:
        return tags
    return _Reader(text).predicate(_root(text, found), 0)


def parse_value(text: str) -> tree.Operand:
    """The tree of an expression with any value; a condition's is true, false or NULL. Raises as `parse`."""
    found = tokens(text)
    if not found:
        raise refused(text, "there is no expression", 0, 0, "Write one, as in price * 2")
    return _Reader(text).value(_root(text, found))


def _root(text: str, found: list[Token]) -> exp.Expr:
    try:
        parsed = Parser().parse(found, text)
    except ParseError as cause:
        raise _syntax(text, found, cause) from cause
    except RecursionError as cause:
        raise refused(text, "too much is inside one another", 0, len(text)) from cause
    (root,) = parsed
    if root is None:
        raise refused(text, "there is no condition", 0, len(text))
    return root


def _tags(found: list[Token]) -> tree.Predicate | None:
    """`*`, or names joined by `||`, as RocketMQ writes them."""
    kinds = [token.token_type for token in found]
    start, end = found[0].start, found[-1].end + 1
    if kinds == [TokenType.STAR]:
        return tree.Truth(operand=tree.Literal(value=True), start=start, end=end)
    names = [token for token in found if token.token_type in (TokenType.IDENTIFIER, TokenType.NUMBER)]
    if len(found) < 2 or names != found[::2] or set(kinds[1::2]) != {TokenType.DPIPE} or len(found) % 2 == 0:
        return None
    items = tuple(tree.Literal(value=name.text, start=name.start, end=name.end + 1) for name in names)
    return tree.In(operand=tree.Property(name=TAGS, start=start, end=end), items=items, start=start, end=end)


def _syntax(text: str, found: list[Token], cause: ParseError) -> OMSRuntimeException:
    """The parser names the last sign of a token by line and column."""
    details = cause.errors[0] if cause.errors else {}
    place = (details.get("line"), details.get("col"))
    token = next((token for token in found if (token.line, token.col) == place), found[-1])
    what = "something is missing after this" if token is found[-1] else "the condition does not go on like this"
    if details.get("description") == "Expecting )":
        what = "a closing parenthesis is missing after this"
    return refused(text, what, token.start, token.end + 1)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text

    def predicate(self, node: exp.Expr, depth: int) -> tree.Predicate:
        """What is true, false or unknown; a bare value is, when it is a boolean."""
        found = self._node(node, depth)
        if isinstance(found, tree.PREDICATES):
            return found
        if isinstance(found, tree.Property | tree.HeaderField) or (
            isinstance(found, tree.Literal) and (found.value is None or isinstance(found.value, bool))
        ):
            return tree.Truth(operand=found, start=found.start, end=found.end)
        what = "a number or text is no condition"
        raise refused(self._text, what, found.start, found.end, "Compare it with something")

    def value(self, node: exp.Expr) -> tree.Operand:
        """Whatever stands there."""
        return self._node(node, 0)

    def operand(self, node: exp.Expr, depth: int, *, number: bool = False) -> tree.Operand:
        """A value; a predicate only in parentheses."""
        found = self._node(node, depth)
        if isinstance(found, tree.PREDICATES) and (number or not isinstance(node, exp.Paren)):
            raise self._refuse(node, "a condition stands where a value should", "Put it in parentheses, or remove it")
        if number and isinstance(found, tree.Literal) and isinstance(found.value, str | bool):
            raise refused(self._text, "this is no number", found.start, found.end)
        return found

    def _node(self, node: exp.Expr, depth: int) -> tree.Operand:
        if depth > 3 * MAX_DEPTH:
            raise self._refuse(node, "too much is inside one another")
        unexpected = [name for name, value in node.args.items() if value and name not in _EXPECTED]
        if unexpected and not isinstance(node, exp.Column):
            raise self._refuse(node, f"this is not part of a condition ({node.key}, {unexpected[0]})")
        match node:
            case exp.Paren():
                return self._node(node.this, depth + 1)
            case exp.Column():
                return self._column(node)
            case exp.Literal() | exp.Boolean() | exp.Null():
                return self._literal(node)
            case exp.Neg():
                return self._negative(node, depth)
            case exp.And() | exp.Or():
                return self._connected(node, depth)
            case exp.Not():
                term = self.predicate(node.this, depth + 1)
                return tree.Not(term=term, **self._place(node))
            case exp.Is():
                return self._is(node, depth)
            case exp.In():
                items = tuple(self.operand(each, depth + 1) for each in node.expressions)
                if not items:
                    raise self._refuse(node, "IN is followed by one or more values in parentheses")
                found = tree.In(operand=self.operand(node.this, depth + 1), items=items, **self._place(node))
                return self._negated(node, found)
            case exp.Between():
                return self._between(node, depth)
            case exp.Like() | exp.Escape():
                return self._like(node, depth)
        return self._binary(node, depth)

    def _binary(self, node: exp.Expr, depth: int) -> tree.Operand:
        comparison = _COMPARE.get(type(node))
        if comparison is not None:
            left, right = self.operand(node.this, depth + 1), self.operand(node.expression, depth + 1)
            return tree.Compare(operator=comparison, left=left, right=right, **self._place(node))
        operator = _ARITHMETIC.get(type(node))
        if operator is None:
            step = "Join tags by || alone, as in a || b" if isinstance(node, exp.DPipe) else ""
            raise self._refuse(node, "this is not part of a condition", step)
        left = self.operand(node.this, depth + 1, number=True)
        right = self.operand(node.expression, depth + 1, number=True)
        return tree.Arithmetic(operator=operator, left=left, right=right, **self._place(node))  # type: ignore[arg-type]

    def _column(self, node: exp.Column) -> tree.Operand:
        parts = [part.name for part in node.parts]
        place = self._place(node)
        if len(parts) == 1:
            return tree.Property(name=parts[0], **place)
        if len(parts) > 2 or parts[0] not in ("header", "property"):
            step = f'A property with a dot in its name is written in quotes: "{".".join(parts)}"'
            raise self._refuse(node, f"{parts[0]} is neither header nor property", step)
        if parts[0] == "property":
            return tree.Property(name=parts[1], **place)
        if parts[1] not in FIELDS or parts[1] in _UNKNOWN_HEADERS:
            step = f"Known are {', '.join(name for name in FIELDS if name not in _UNKNOWN_HEADERS)}"
            raise self._refuse(node, f"a condition knows no header field {parts[1]}", step)
        return tree.HeaderField(name=parts[1], **place)

    def _literal(self, node: exp.Expr) -> tree.Literal:
        place = self._place(node)
        if isinstance(node, exp.Null):
            return tree.Literal(value=None, **place)
        if isinstance(node, exp.Boolean):
            return tree.Literal(value=bool(node.this), **place)
        if node.is_string:
            return tree.Literal(value=str(node.this), **place)
        digits = str(node.this)
        value: int | float = int(digits) if digits.isdigit() and len(digits) < 40 else float(digits)
        if value == float("inf") or (isinstance(value, int) and value > LONG_MAX + 1):
            raise self._refuse(node, "the number is out of range", "Integers have 64 bits")
        return tree.Literal(value=value, **place)

    def _negative(self, node: exp.Neg, depth: int) -> tree.Operand:
        operand = self.operand(node.this, depth + 1, number=True)
        if isinstance(operand, tree.Literal) and isinstance(operand.value, int | float):
            return tree.Literal(value=-operand.value, **self._place(node))
        return tree.Negative(operand=operand, **self._place(node))

    def _connected(self, node: exp.Expr, depth: int) -> tree.Predicate:
        """A chain of ANDs or ORs leans to the left, as deep as it is long: it is walked, not descended into."""
        terms: list[exp.Expr] = []
        left = node
        while type(left) is type(node):
            terms.append(left.expression)
            left = left.this
        terms.append(left)
        found = tuple(self.predicate(term, depth + 1) for term in reversed(terms))
        kind = tree.And if isinstance(node, exp.And) else tree.Or
        return kind(terms=found, start=found[0].start, end=found[-1].end)

    def _is(self, node: exp.Is, depth: int) -> tree.Predicate:
        right = node.expression
        negated = isinstance(right, exp.Not)
        right = right.this if negated else right
        found: tree.Predicate
        if isinstance(right, exp.Null):
            found = tree.IsNull(operand=self.operand(node.this, depth + 1), **self._place(node))
        elif isinstance(right, exp.Boolean):
            term = self.predicate(node.this, depth + 1)
            found = tree.IsTruth(operand=term, value=bool(right.this), **self._place(node))
        else:
            raise self._refuse(node, "IS is followed by [NOT] NULL, TRUE or FALSE")
        return tree.Not(term=found, start=found.start, end=found.end) if negated else found

    def _between(self, node: exp.Between, depth: int) -> tree.Predicate:
        if node.args.get("symmetric"):
            raise self._refuse(node, "SYMMETRIC is not part of a condition")
        operand = self.operand(node.this, depth + 1)
        low, high = self.operand(node.args["low"], depth + 1), self.operand(node.args["high"], depth + 1)
        place = self._place(node)
        lower = tree.Compare(operator=">=", left=operand, right=low, **place)
        upper = tree.Compare(operator="<=", left=operand, right=high, **place)
        return self._negated(node, tree.And(terms=(lower, upper), **place))

    def _like(self, node: exp.Expr, depth: int) -> tree.Predicate:
        sign = None
        escape = node.expression if isinstance(node, exp.Escape) else None
        like = node.this if isinstance(node, exp.Escape) else node
        if not isinstance(like, exp.Like):
            raise self._refuse(node, "ESCAPE belongs to LIKE")
        if escape is not None:
            sign = escape.this if isinstance(escape, exp.Literal) and escape.is_string else ""
            if len(sign) != 1:
                raise self._refuse(escape, "ESCAPE is followed by one character in quotes")
        pattern = like.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise self._refuse(pattern, "LIKE is followed by a text in quotes")
        try:
            matcher(pattern.this, sign)
        except OMSMessageFormatException as cause:
            raise self._refuse(pattern, cause.reason.removeprefix("filter: ")) from cause
        operand = self.operand(like.this, depth + 1)
        found = tree.Like(operand=operand, pattern=pattern.this, escape=sign, **self._place(node))
        return self._negated(like, found)

    def _negated(self, node: exp.Expr, found: tree.Predicate) -> tree.Predicate:
        """Some versions of the parser keep the NOT of NOT LIKE inside."""
        return tree.Not(term=found, start=found.start, end=found.end) if node.args.get("negate") else found

    def _refuse(self, node: exp.Expr, what: str, step: str = "") -> OMSRuntimeException:
        place = self._place(node)
        return refused(self._text, what, place["start"], place["end"], step)

    def _place(self, node: exp.Expr) -> dict[str, int]:
        """From the first to the last sign of what is below a node; NULL, TRUE and FALSE have no place of their own."""
        spans = [(each.meta["start"], each.meta["end"] + 1) for each in node.walk() if "start" in each.meta]
        if not spans:
            return {"start": 0, "end": len(self._text)}
        return {"start": min(start for start, _ in spans), "end": max(end for _, end in spans)}
