"""Generate the blocking face from the asyncio one by replacing tokens; `--check` only compares.

python scripts/unasync.py            writes openmessaging/runtime/threads and tests/runtime/threads
python scripts/unasync.py --check    exits with 1 when a file differs, is left over, or a rule was not used
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAIRS = (
    ("openmessaging/runtime/aio", "openmessaging/runtime/threads"),
    ("tests/runtime/aio", "tests/runtime/threads"),
)
BY_HAND = {"__init__.py", "primitives.py", "waits.py", "outbox.py", "opening.py", "combining.py", "conftest.py"}
BY_HAND |= {
    "test_primitives.py",
    "test_outbox.py",
    "test_combining.py",
    "test_opening.py",
    "test_cancellation.py",
    "test_loops.py",
    "test_waits.py",
}
"""Written for each face by itself."""

RULES = (
    (r"\basync def\b", "def"),
    (r"\basync with\b", "with"),
    (r"\basync for\b", "for"),
    (r"\bawait ", ""),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\b__aiter__\b", "__iter__"),
    (r"\b__anext__\b", "__next__"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\bopenmessaging\.runtime\.aio\b", "openmessaging.runtime.threads"),
    (r"\bfrom openmessaging import connect\b", "from openmessaging.blocking import connect"),
)
NOTE = "# Generated from {source} by scripts/unasync.py: change that file instead.\n"


def translate(source: str, used: set[str]) -> str:
    """The text of the blocking twin; the rules that applied are added to `used`."""
    for pattern, replacement in RULES:
        source, count = re.subn(pattern, replacement, source)
        if count:
            used.add(pattern)
    return source


def formatted(text: str, path: Path) -> str:
    """The text as the formatter leaves it, imports in order."""
    for arguments in (["check", "--fix-only", "--select", "I,RUF100,SIM117", "--quiet"], ["format"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(path), "-"]
        # The command is fixed, only the text comes from outside.
        text = subprocess.run(  # noqa: S603
            command, input=text, capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
    return text


def main() -> int:
    """Generate, or compare with `--check`; the exit code."""
    check = "--check" in sys.argv[1:]
    used: set[str] = set()
    wrong: list[str] = []
    for source_name, target_name in PAIRS:
        source_folder, target_folder = ROOT / source_name, ROOT / target_name
        sources = {path.name: path for path in source_folder.glob("*.py") if path.name not in BY_HAND}
        for name, path in sorted(sources.items()):
            target = target_folder / name
            note = NOTE.format(source=path.relative_to(ROOT).as_posix())
            text = formatted(note + translate(path.read_text(), used), target)
            if check and (not target.exists() or target.read_text() != text):
                wrong.append(f"{target.relative_to(ROOT)} differs from what its source gives")
            elif not check:
                target.write_text(text)
        known = BY_HAND.union(sources)
        wrong += [
            f"{left.relative_to(ROOT)} has no source" for left in target_folder.glob("*.py") if left.name not in known
        ]
    wrong += [f"the rule {pattern} is not used" for pattern, _ in RULES if pattern not in used]
    print("\n".join(wrong) if wrong else "unasync: as generated", file=sys.stderr if wrong else sys.stdout)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
