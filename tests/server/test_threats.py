"""The threat model is kept: each threat names a test that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "design" / "threat-model.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "|---"))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_threat_has_its_test(row: str) -> None:
    named = re.findall(r"`([\w/.]+\.py)::(\w+)`", row)
    assert named, "no test"
    for file, function in named:
        path = Path(__file__).parent / file
        tree = ast.parse(path.read_text())
        found = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
        assert function in found, f"{file} has no {function}"


def test_there_are_threats_of_every_kind() -> None:
    assert len(ROWS) >= 30
    assert re.findall(r"^## (.+)", PAGE, re.MULTILINE)[:3] == ["The way in", "More than one may", "That it answers"]
