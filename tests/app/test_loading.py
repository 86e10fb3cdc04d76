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
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    for name, text, wanted in (
        ("broken_import", "\nimport not_installed_here", "line 2: ModuleNotFoundError: .*not_installed_here"),
        ("broken_name", "\n\nunknown()", "line 3: NameError: .*unknown"),
        ("broken_syntax", "a = 1\nwhile", "line 2: SyntaxError"),
    ):
        (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(oms.OMSRuntimeException, match=wanted) as caught:
            load(name)
        assert f"{name}.py" in str(caught.value)
        assert caught.value.code == 1418


def test_a_mistake_in_a_listener_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad_listener.py").write_text(
        "import openmessaging as oms\napp = oms.App('oms:memory:x')\n@app.listener('q', batch=2)\ndef f(x: int): ..."
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(oms.OMSRuntimeException, match=r"f, parameter x: a batch gets a list"):
        load("bad_listener")
