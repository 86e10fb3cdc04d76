"""Each example runs in an empty directory and prints what stands beside it in a .out file (`...` is anything)."""

import sys
from pathlib import Path

import pytest

from tests.test_docs import ROOT, assert_output, run

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, tmp_path: Path) -> None:
    printed = run([sys.executable, str(example)], tmp_path, example.name)
    assert_output(example.with_suffix(".out").read_text(), printed, example.name)
