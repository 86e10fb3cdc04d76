"""The typed surface (`tests/typing_api.py`) holds under strict checking."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_users_get_the_types_they_expect() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "tests/typing_api.py"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout
