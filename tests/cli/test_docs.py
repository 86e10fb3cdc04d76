import json

import yaml

from tests.cli.conftest import Oms

TARGET = "tests.app.program:app"


def test_all_three_forms(oms_cli: Oms) -> None:
    found = json.loads(oms_cli("docs", TARGET).stdout)
    assert found["operations"]["bill"]["action"] == "receive"
    assert json.loads(oms_cli("docs", TARGET, "--json").stdout) == found
    assert yaml.safe_load(oms_cli("docs", TARGET, "--yaml").stdout) == found
    assert "<html" in oms_cli("docs", TARGET, "--html").stdout


def test_into_a_file_and_no_such_app(oms_cli: Oms, tmp_path) -> None:
    oms_cli("docs", TARGET, "--html", "-o", str(tmp_path / "page.html"))
    assert "<html" in (tmp_path / "page.html").read_text()
    assert oms_cli.error("docs", "tests.app.program:nothing")["code"] == 1418
