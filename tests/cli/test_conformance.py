"""`oms conformance`: outcomes, files, exit codes."""

import json
from pathlib import Path

import pytest

from openmessaging.cli.root import main, run


def test_cases_by_id_with_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [f"--{kind}={tmp_path / kind}" for kind in ("junit", "json", "html")]
    assert run(main, ["conformance", "memory", "--case", "model.body", "--case", "settlement.nack", *files]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["memory", "2"]
    document = json.loads((tmp_path / "json").read_text())
    assert [each["case"] for each in document["reports"][0]["outcomes"]] == ["model.body", "settlement.nack"]
    assert "<testsuites>" in (tmp_path / "junit").read_text()
    assert "settlement.nack" in (tmp_path / "html").read_text()


def test_a_failure_is_exit_code_one(tmp_path: Path) -> None:
    stub = tmp_path / "stub.py"
    stub.write_text(
        "import sys, json\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    facts = {'point': 'p', 'capabilities': [], 'maxBodyBytes': 9, 'version': '', 'specVersion': '1.0.0'}\n"
        "    print(json.dumps({'id': request['id'], 'result': facts}), flush=True)\n"
    )
    adapter = f"python3 {stub}"
    arguments = ["conformance", "memory", "--case", "access-point.versions", "--adapter", adapter]
    assert run(main, arguments) == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["memory", "--section", "nothing"], ["memory", "--case", "nothing"], ["memory", "--attribute", "x"]],
)
def test_usage(arguments: list[str]) -> None:
    assert run(main, ["conformance", *arguments]) == 2


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["conformance", "nosuch"]) == 1
    assert "embedded" in capsys.readouterr().err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["conformance", "--list", "--section", "priority"]) == 0
    assert "priority.first" in capsys.readouterr().out
