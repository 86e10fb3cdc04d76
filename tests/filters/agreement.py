"""Generated conditions, answered by this package and by SQLite: where both dialects say the same, so must the answers.

    python -m tests.filters.agreement --count 10000 --seed 1

What SQLite does otherwise is not generated: comparing text with numbers (it has an order between types), booleans
beside numbers (they are its numbers), LIKE on numbers (they become text), LIKE is told to tell cases apart, and escapes
before plain signs.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
from typing import Any

from openmessaging.filters import compile_condition

COLUMNS = ("i", "j", "f", "s", "t", "p", "q")
INTEGERS = (0, 1, 2, 3, 5, 7, -1, -4, 9223372036854775807, -9223372036854775808)
FLOATS = (0.0, 0.5, 1.0, 2.5, -3.0, 1e300)
TEXTS = ("", "a", "ab", "abc", "b", "B", "a%b", "a_b", "é", "it's", "\U0001f600", "\uffff")
PATTERNS = ("%", "a%", "%b", "a%b", "_", "a_", "%_b%", "", "a", "%é%", "_%_", "%a%b%", "abc")
ESCAPED = ("a!%b", "a!_%", "%!!%", "!%", "%!_b")


class Generator:
    """Draws a condition: each kind of expression by a method, `depth` more levels below."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def number(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.4:
            return self.pick(
                "i", "j", "f", "NULL" if depth > 5 else "i", *map(str, INTEGERS[:-1]), "0.5", "2.0", "1.5e1", ".5"
            )
        kind = self.random.random()
        if kind < 0.15:
            return f"-({self.number(depth - 1)})"
        left, right = self.number(depth - 1), self.number(depth - 1)
        return f"({left} {self.pick('+', '-', '*', '/')} {right})"

    def text(self) -> str:
        return self.pick("s", "t", "s", "'" + self.pick(*TEXTS).replace("'", "''") + "'")

    def operands(self, depth: int) -> tuple[str, str, str]:
        """Three of one type, now and then with a NULL."""
        drawn = (
            [self.number(depth) for _ in range(3)] if self.random.random() < 0.6 else [self.text() for _ in range(3)]
        )
        if self.random.random() < 0.1:
            drawn[self.random.randrange(3)] = "NULL"
        return drawn[0], drawn[1], drawn[2]

    def comparison(self, depth: int) -> str:
        a, b, c = self.operands(depth)
        negation = self.pick("", "NOT ")
        match self.random.randrange(7):
            case 0:
                return f"{a} {negation}BETWEEN {b} AND {c}"
            case 1:
                return f"{a} {negation}IN ({', '.join((b, c)[: self.pick(1, 2)])})"
            case 2:
                return f"s {negation}LIKE '{self.pick(*PATTERNS)}'"
            case 3:
                return f"t {negation}LIKE '{self.pick(*ESCAPED)}' ESCAPE '!'"
            case 4:
                return f"{a} IS {negation}NULL"
            case _:
                return f"{a} {self.pick('=', '<>', '!=', '<', '<=', '>', '>=')} {b}"

    def boolean(self, depth: int) -> str:
        if depth <= 0:
            return self.pick("p", "q", "TRUE", "FALSE", "NULL", "p = q", self.comparison(0), self.comparison(0))
        match self.random.randrange(9):
            case 0 | 1:
                return f"{self.boolean(depth - 1)} AND {self.boolean(depth - 1)}"
            case 2 | 3:
                return f"{self.boolean(depth - 1)} OR {self.boolean(depth - 1)}"
            case 4:
                return f"NOT ({self.boolean(depth - 1)})"
            case 5:
                return f"({self.boolean(depth - 1)}) IS {self.pick('', 'NOT ')}{self.pick('NULL', 'TRUE', 'FALSE')}"
            case 6:
                return f"({self.boolean(depth - 1)}) {self.pick('=', '<>')} ({self.boolean(depth - 1)})"
            case _:
                return self.comparison(depth - 1)

    def row(self) -> dict[str, Any]:
        drawn = {
            "i": self.pick(*INTEGERS), "j": self.pick(*INTEGERS), "f": self.pick(*FLOATS), "s": self.pick(*TEXTS),
            "t": self.pick(*TEXTS), "p": self.pick(True, False), "q": self.pick(True, False),
        }  # fmt: skip
        return {name: value for name, value in drawn.items() if self.random.random() < 0.8}


def disagreements(count: int, seed: int) -> list[str]:
    """What differs, of so many conditions on a dozen rows each."""
    generator = Generator(seed)
    rows = [generator.row() for _ in range(12)]
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA case_sensitive_like = ON")
    database.execute(f"CREATE TABLE rows (n INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
    for row in rows:
        database.execute(
            f"INSERT INTO rows ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)", [row.get(name) for name in COLUMNS]
        )
    found: list[str] = []
    for _ in range(count):
        text = generator.boolean(generator.pick(1, 2, 3))
        condition = compile_condition(text)
        answers = database.execute(f"SELECT {text} FROM rows ORDER BY n").fetchall()
        for row, (answer,) in zip(rows, answers, strict=True):
            mine = condition.evaluate(row)
            if mine is not (None if answer is None else bool(answer)):
                found.append(f"{text} of {row}: {mine}, SQLite {answer}")
    return found


def main() -> int:
    """The exit code: 1 when they disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = disagreements(options.count, options.seed)
    print("\n".join(found[:20]))
    print(f"{options.count:,} conditions on 12 rows each: {len(found)} answers differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
