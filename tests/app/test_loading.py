"""Finding apps by name."""

from pathlib import Path

import pytest

import openmessaging as oms
from openmessaging.app.loading import load


def test_by_module_and_name() -> None:
    from tests.app import program

    assert load("tests.app.program:app") is program.app
    assert load("tests.app.program") is program.app


@pytest.mark.parametrize("target", ["no_such_module:app", "tests.app.program:order", "tests.app.program:Order"])
def test_what_is_not_there_is_told(target: str) -> None:
    with pytest.raises(oms.OMSRuntimeException) as caught:
        load(target)
    assert caught.value.code == 1418


def test_in_the_current_directory_and_its_own_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_program.py").write_text("import not_installed_here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        load("broken_program")
