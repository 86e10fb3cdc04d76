import json

import click
import pytest

from openmessaging.cli.failure import document, report
from openmessaging.model.errors import error


def test_an_error_is_a_line_with_code_and_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(error(1404, "there is no queue x", next_step="See `oms queue list`"), as_json=False) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error 1404 destination not found: there is no queue x. See `oms queue list`\n"


def test_an_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    failure = error(1400, "price: no", next_step="Change it", field="price")
    assert report(failure, as_json=True) == 1
    assert json.loads(capsys.readouterr().err) == document(failure)
    assert document(failure)["error"]["field"] == "price"


def test_usage_and_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(click.UsageError("no such thing"), as_json=False) == 2
    assert "no such thing" in capsys.readouterr().err
    assert report(click.ClickException("not confirmed"), as_json=True) == 1
    assert json.loads(capsys.readouterr().err)["error"]["reason"] == "not confirmed"


def test_anything_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyError("x"), as_json=False) == 1
    assert capsys.readouterr().err.startswith("error 1500 server error: unexpected KeyError: 'x'. Run it again")
