from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from openmessaging.cli.options import default_url, duration, moment
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


def test_a_store_in_use_is_reached_through_its_holder(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "pizza")
    process = oms_cli.popen("receive", "orders", "--group", "g", "--follow")
    assert process.stdout is not None
    assert process.stdout.readline() == "pizza\n"
    try:
        assert "default://orders" in oms_cli("queue", "list").stdout
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("250ms", 0.25)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "10 m", "10mm", "m", "-5", "1e3", "10m5"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="10m"):
        duration(text)


def test_times() -> None:
    assert moment("2026-03-01T08:30") == datetime(2026, 3, 1, 8, 30)
    assert moment("2026-03-01T08:30+00:00") == datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="2026"):
        moment("tomorrow")
