import shutil
import subprocess

import pytest

from tests.cli.conftest import Oms


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(oms_cli: Oms, shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("no bash to ask for its version")
    script = oms_cli("completion", shell).stdout
    assert "_OMS_COMPLETE" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_another_shell(oms_cli: Oms) -> None:
    assert "'bash', 'zsh', 'fish'" in oms_cli("completion", "tcsh", code=2).stderr


@pytest.mark.parametrize(
    ("words", "index", "expected"),
    [
        ("oms de", 1, {"demo", "delayed", "dead-letter"}),
        ("oms queue de", 2, {"delete", "describe"}),
        ("oms send --js", 2, {"--json", "--jsonl"}),
    ],
)
def test_words_are_completed(oms_cli: Oms, words: str, index: int, expected: set[str]) -> None:
    oms_cli.env |= {"_OMS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    out, _ = oms_cli.process()
    assert {line.partition(",")[2] for line in out.splitlines()} == expected
