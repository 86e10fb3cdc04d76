"""The server does what its OpenAPI document says: schemathesis asks it whatever the document allows, and forbids."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.servers import serving

ROOT = Path(__file__).parents[3]
SETTINGS = """
[[operations]]
include-path = "/v1/queues/{queue}/request"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503", "504"]
"""
"""Nobody answers requests here, which is 503."""


def ask(folder: Path, *arguments: str) -> None:
    settings = folder / "schemathesis.toml"
    settings.write_text(SETTINGS)
    with serving(f"oms:memory:{uuid.uuid4().hex}", http={"listen": "127.0.0.1:0", "max_wait": 0.01}) as node:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)),
            *("run", f"{node.http}/v1/openapi.json", "--no-color", "--request-timeout", "30", "--seed", "1"),
            *("--exclude-path-regex", "/events$"),  # streams without an end: test_following.py, test_streaming.py
            # That a condition or a receipt is valid, no schema can say.
            *("--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all", *arguments),
        ]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.http.schema_hooks", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
    found = done.stdout.partition("FAILURES")
    assert done.returncode == 0, found[0][-1500:] + found[1] + found[2][:6000] + done.stderr[-2000:]


@pytest.mark.timeout(200)
def test_what_the_document_says_is_true(tmp_path: Path) -> None:
    ask(tmp_path, "--phases", "examples,fuzzing", "--max-examples", "3")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_all_of_it_is_true(tmp_path: Path) -> None:
    ask(tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "10")
