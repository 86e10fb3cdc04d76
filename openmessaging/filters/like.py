"""LIKE: `%` stands for any characters, `_` for one, the escape character makes the next one plain. Case counts.

The time is bounded by length of text times length of pattern: between two `%` the first fit is taken, never undone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from openmessaging.model.errors import bad_format

Matcher = Callable[[str], bool]
Piece = list[str | None]
"""Characters; None is any one."""


def matcher(pattern: str, escape: str | None) -> Matcher:
    """A function that tells whether a text fits. Raises OMSMessageFormatException for an escape of another sign."""
    pieces = _pieces(pattern, escape)
    if len(pieces) == 1:
        return _whole(pieces[0])
    prefix, *middle, suffix = pieces
    if None not in prefix and None not in suffix and not any(middle):
        return _ends(_plain(prefix), _plain(suffix))
    return _any(pieces)


def _pieces(pattern: str, escape: str | None) -> list[Piece]:
    """What stands between the `%`."""
    pieces: list[Piece] = [[]]
    signs = iter(pattern)
    for sign in signs:
        if sign == escape:
            following = next(signs, "")
            if following not in ("%", "_", escape):
                raise bad_format("filter", f"the escape character {escape} stands before {following or 'nothing'}")
            pieces[-1].append(following)
        elif sign == "%":
            pieces.append([])
        else:
            pieces[-1].append(None if sign == "_" else sign)
    return pieces


def _plain(piece: Piece) -> str:
    return "".join(sign or "" for sign in piece)


def _whole(piece: Piece) -> Matcher:
    if None not in piece:
        return _plain(piece).__eq__
    fits = _expression(piece).fullmatch
    return lambda text: fits(text) is not None


def _ends(prefix: str, suffix: str) -> Matcher:
    shortest = len(prefix) + len(suffix)
    return lambda text: len(text) >= shortest and text.startswith(prefix) and text.endswith(suffix)


def _any(pieces: list[Piece]) -> Matcher:
    first, last = _expression(pieces[0]).match, _expression(pieces[-1]).fullmatch
    middle = [_expression(piece).search for piece in pieces[1:-1] if piece]
    suffix = len(pieces[-1])
    shortest = sum(map(len, pieces))

    def fits(text: str) -> bool:
        end = len(text) - suffix
        if len(text) < shortest or first(text) is None or last(text, end) is None:
            return False
        at = len(pieces[0])
        for search in middle:
            found = search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    return fits


def _expression(piece: Piece) -> re.Pattern[str]:
    """A piece of fixed length, so that matching never goes back."""
    return re.compile("".join("." if sign is None else re.escape(sign) for sign in piece), re.DOTALL)
