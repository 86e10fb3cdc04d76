from pathlib import Path

import pytest

from openmessaging.cli.options import default_url
from tests.cli.conftest import Oms


def test_the_store_of_the_user(oms_cli: Oms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    oms_cli.env["OMS_URL"] = ""
    oms_cli("send", "orders", "pizza")
    directory = Path(default_url().removeprefix("oms:embedded://"))
    assert tmp_path in directory.parents
    assert (directory / "log").is_dir()
    assert oms_cli("receive", "orders", "--peek").stdout == "pizza\n"


def test_url_wins_over_the_environment(oms_cli: Oms, tmp_path: Path) -> None:
    oms_cli("send", "orders", "pizza", "--url", f"oms:embedded://{tmp_path}/other")
    assert not oms_cli.directory.exists()


def test_looking_makes_nothing(oms_cli: Oms) -> None:
    for command in (("queue", "list"), ("receive", "orders", "--peek"), ("group", "list")):
        found = oms_cli.error(*command)
        assert (found["code"], "queue create" in found["next_step"]) == (10000, True)
    assert not oms_cli.directory.exists()
    oms_cli("queue", "create", "orders")
    assert oms_cli.error("receive", "typo", "--group", "g")["code"] == 1404
    assert oms_cli.error("receive", "typo", "--peek")["code"] == 1404
    assert [queue["name"] for queue in oms_cli.json("queue", "list")] == ["default://orders"]


@pytest.mark.parametrize(
    ("url", "code"), [("nonsense", 10001), ("oms:kafka://host", 10001), ("oms:nowhere://host/region", 10000)]
)
def test_a_wrong_url(oms_cli: Oms, url: str, code: int) -> None:
    assert oms_cli.error("send", "orders", "pizza", "--url", url)["code"] == code


def test_a_directory_that_cannot_be_written(oms_cli: Oms, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = oms_cli.error("send", "orders", "pizza", "--url", f"oms:embedded://{tmp_path}/file/store")
    assert found["code"] == 1501
    assert str(tmp_path) in found["reason"]


def test_a_store_in_use_names_its_holder(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "pizza")
    process = oms_cli.popen("receive", "orders", "--group", "g", "--follow")
    assert process.stdout is not None
    assert process.stdout.readline() == "pizza\n"
    try:
        found = oms_cli.error("queue", "list")
        assert found["code"] == 1503
        assert str(process.pid) in found["reason"]
    finally:
        process.kill()
        process.communicate()


def test_asking(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "pizza", "salad")
    for answer in ("n\n", ""):
        result = oms_cli("queue", "delete", "orders", input=answer, code=1)
        assert "Delete default://orders with 2 messages and 0 groups?" in result.stderr
        assert "--yes" in result.stderr
        assert result.stdout == ""
    assert oms_cli.json("queue", "describe", "orders")["messages"] == 2
    assert oms_cli("queue", "delete", "orders", input="y\n").stdout == "deleted default://orders\n"
