import json

from tests.cli.conftest import Oms


def prices(oms_cli: Oms) -> None:
    oms_cli("queue", "create", "prices", "--compact", "--tombstone-age", "60")
    for key, value in (("a", "1"), ("b", "1"), ("a", "2"), ("b", ""), ("c", "3")):
        oms_cli("send", "prices", value, "--key", key)


def test_table_and_get(oms_cli: Oms) -> None:
    prices(oms_cli)
    assert oms_cli("queue", "table", "prices").stdout == "a\t2\nc\t3\n"
    assert [line["key"] for line in oms_cli.lines("queue", "table", "prices")] == ["a", "c"]
    assert oms_cli("queue", "get", "prices", "a").stdout == "2\n"
    assert oms_cli.json("queue", "get", "prices", "c")["body"] == "3"
    for key in "bz":
        assert f"nothing for the key {key}" in oms_cli("queue", "get", "prices", key, code=3).stderr
    assert oms_cli.error("queue", "table", "none")["code"] == 1404
    assert oms_cli.error("send", "prices", "x")["code"] == 1418


def test_follow(oms_cli: Oms) -> None:
    prices(oms_cli)
    process = oms_cli.popen("queue", "table", "prices", "--follow", "--json")
    assert process.stdout is not None
    assert [json.loads(process.stdout.readline())["key"] for _ in range(2)] == ["a", "c"]
    process.terminate()
    process.communicate(timeout=20)


def test_settings_of_a_new_queue(oms_cli: Oms) -> None:
    info = oms_cli.json("queue", "create", "kept", "--retention", "keep", "--retention-age", "60", "--partitions", "2")
    assert info["config"] == {"retention": "keep", "retention_age": 60.0}
    assert oms_cli.error("queue", "create", "odd", "--compact", "--retention-age", "5")["code"] == 1418
    assert "retention_bytes" not in oms_cli("queue", "describe", "kept").stdout
