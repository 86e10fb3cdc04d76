"""The first look at a condition's text: only the words and signs of the grammar go on to the parser.

What SQL has beyond that (functions, casts, subqueries …) is refused here, where each word still has its place. Every
word that is no keyword of the grammar is a name, whatever SQL makes of it: a property may be called `order` or `date`.
"""

from __future__ import annotations

import re
from itertools import pairwise

from sqlglot import Token, Tokenizer, TokenType
from sqlglot.errors import TokenError

from openmessaging.filters.place import refused

MAX_CHARACTERS = 8_192
"""Longest text of a condition."""
MAX_DEPTH = 16
"""Most parentheses, NOTs and signs inside one another."""

_WORD = re.compile(r"[^\W\d]\w*|[_$][\w$]*")
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")
_KEYWORDS = {
    TokenType[name] for name in ("AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE")
}
_COMPARISONS = {TokenType[name] for name in ("EQ", "NEQ", "LT", "LTE", "GT", "GTE")}
_PREDICATES = _COMPARISONS | {TokenType.IS, TokenType.IN, TokenType.LIKE, TokenType.BETWEEN}
_SIGNS = _COMPARISONS | {
    TokenType[name] for name in ("L_PAREN", "R_PAREN", "COMMA", "DOT", "PLUS", "DASH", "STAR", "SLASH", "DPIPE")
}
_CONSTANTS = {TokenType.NULL, TokenType.TRUE, TokenType.FALSE, TokenType.NUMBER, TokenType.STRING}
_ENDING = _CONSTANTS | {TokenType.IDENTIFIER, TokenType.R_PAREN}
_BEGINNING = _CONSTANTS | {TokenType.IDENTIFIER, TokenType.L_PAREN}
_NEGATED = {TokenType.IN, TokenType.LIKE, TokenType.BETWEEN}
_PREFIXES = {TokenType.NOT, TokenType.PLUS, TokenType.DASH}
_OPENING = _BEGINNING | _PREFIXES | {TokenType.DOT}
_HINTS = {
    "==": "Write = for equality",
    "&&": "Write AND",
    "%": "There is no remainder; see docs/reference/filters.md",
    "!": "Write NOT",
}


def tokens(text: str) -> list[Token]:
    """The tokens of a text, names as quoted identifiers. Raises OMSRuntimeException 1418 for what is not allowed."""
    if len(text) > MAX_CHARACTERS:
        at = MAX_CHARACTERS
        raise refused(
            text, f"the text has {len(text):,} characters, at most {MAX_CHARACTERS:,} are allowed", at, at + 1
        )
    surrogate = re.search(r"[\ud800-\udfff\x00]", text)
    if surrogate is not None:
        raise refused(text, "this is no character", *surrogate.span())
    try:
        found = Tokenizer().tokenize(text)
    except TokenError as cause:
        at = _unclosed(text)
        raise refused(text, "what begins here has no end", at, len(text)) from cause
    result = [_allowed(text, token) for token in found]
    _check_neighbours(text, result)
    _check_nesting(text, result)
    return result


def _allowed(text: str, token: Token) -> Token:
    kind, start, end = token.token_type, token.start, token.end + 1
    written = text[start:end]
    if kind in _KEYWORDS and written.upper() == kind.name:
        return token
    if kind is TokenType.STRING and written.startswith("'"):
        return token
    if kind in _SIGNS and written not in _HINTS:
        return token
    if kind is TokenType.NUMBER and _NUMBER.fullmatch(written):
        return token
    if kind is TokenType.IDENTIFIER and written.startswith('"'):
        if not token.text:
            raise refused(text, "a name is empty", start, end)
        return token
    if _WORD.fullmatch(written):
        return Token(TokenType.IDENTIFIER, written, token.line, token.col, token.start, token.end)
    raise refused(text, f"{written} is not part of a condition", start, end, _HINTS.get(written, ""))


def _check_neighbours(text: str, found: list[Token]) -> None:
    """What the parser reads in a way of its own, because SQL goes further."""
    if len(found) > 1 and found[0].token_type not in _OPENING:
        raise refused(text, "a value is missing before this", found[0].start, found[0].end + 1)
    for left, right in pairwise(found):
        start, end = right.start, right.end + 1
        ended, begins = left.token_type in _ENDING, right.token_type in _BEGINNING
        if ended and right.token_type is TokenType.L_PAREN and left.token_type is TokenType.IDENTIFIER:
            step = "Compare the property itself; functions are not part of a condition"
            raise refused(text, f"{left.text} is called like a function", left.start, end, step)
        if ended and begins:
            step = "Put AND, OR or a comparison between them"
            raise refused(text, "an operator is missing before this", start, end, step)
        if (not ended and right.token_type is TokenType.COMMA) or (
            left.token_type is TokenType.COMMA and right.token_type not in _OPENING
        ):
            raise refused(text, "a value is missing before this", start, end)
    for before, sign, after in zip(found, found[1:], found[2:], strict=False):
        if before.token_type in _ENDING and sign.token_type is TokenType.NOT and after.token_type not in _NEGATED:
            what = "NOT stands here before IN, LIKE or BETWEEN only"
            raise refused(text, what, sign.start, sign.end + 1)


def _check_nesting(text: str, found: list[Token]) -> None:
    """Depth, and that each comparison stands alone between AND, OR and parentheses."""
    compared = [False]  # per open parenthesis
    between: list[int] = []  # depths of BETWEENs that wait for their AND
    prefixes = 0
    for token in found:
        kind, start, end = token.token_type, token.start, token.end + 1
        prefixes = prefixes + 1 if kind in _PREFIXES else 0
        if len(compared) + prefixes > MAX_DEPTH:
            raise refused(text, f"more than {MAX_DEPTH} things are inside one another", start, end)
        if kind is TokenType.L_PAREN:
            compared.append(False)
        elif kind is TokenType.R_PAREN:
            if len(compared) == 1:
                raise refused(text, "nothing is open that this could close", start, end)
            compared.pop()
        elif kind in (TokenType.AND, TokenType.OR):
            if kind is TokenType.AND and between and between[-1] == len(compared):
                between.pop()
            else:
                compared[-1] = False
        elif kind in _PREDICATES:
            if compared[-1]:
                step = "Put one of them in parentheses, or AND between"
                raise refused(text, "this is the second comparison in a row", start, end, step)
            compared[-1] = True
            if kind is TokenType.BETWEEN:
                between.append(len(compared))


def _unclosed(text: str) -> int:
    """Where the quotation or comment begins that has no end."""
    found = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|[^'"/-]+|[/-](?![*-])""", re.DOTALL)
    at = 0
    while (match := found.match(text, at)) is not None and match.end() > at:
        at = match.end()
    return at
