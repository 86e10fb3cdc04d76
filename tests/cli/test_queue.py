from tests.cli.conftest import Oms


def test_create(oms_cli: Oms) -> None:
    assert oms_cli("queue", "create", "orders").stdout == "created default://orders with 1 partition\n"
    info = oms_cli.json("queue", "create", "bills", "--partitions", "3")
    assert (info["name"], info["partitions"], info["offsets"]) == ("default://bills", 3, [[0, 0]] * 3)
    assert oms_cli.error("queue", "create", "orders")["code"] == 1406
    assert oms_cli.error("queue", "create", "nowhere://orders")["code"] == 1405
    assert oms_cli.error("queue", "create", "x", "--partitions", "0", code=2)["code"] == 1418


def test_list(oms_cli: Oms) -> None:
    oms_cli("queue", "create", "orders")
    oms_cli("send", "bills", "a", "b")
    assert oms_cli("queue", "list").stdout.splitlines() == [
        "queue             partitions  messages  groups",
        "default://bills            1         2",
        "default://orders           1         0",
    ]
    assert [queue["name"] for queue in oms_cli.json("queue", "list")] == ["default://bills", "default://orders"]


def test_describe(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a", "b")
    oms_cli("receive", "orders", "--group", "g", "--timeout", "0")
    text = oms_cli("queue", "describe", "orders").stdout
    assert "partition 0  offsets 0 to 2" in text
    info = oms_cli.json("queue", "describe", "default://orders")
    assert (info["messages"], info["groups"]) == (2, ["g"])
    assert oms_cli.error("queue", "describe", "nothing")["code"] == 1404


def test_purge(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a", "b")
    assert "Drop all 2 messages" in oms_cli("queue", "purge", "orders", input="", code=1).stderr
    assert oms_cli("queue", "purge", "orders", "--yes").stdout == "dropped 2 messages of default://orders\n"
    assert oms_cli.json("queue", "purge", "orders", "--yes") == {"queue": "default://orders", "purged": 0}
    assert oms_cli("receive", "orders", "--peek", code=3).stdout == ""
    assert oms_cli.error("queue", "purge", "nothing", "--yes")["code"] == 1404


def test_delete(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a")
    assert oms_cli.json("queue", "delete", "orders", "--yes") == {"queue": "default://orders", "deleted": True}
    assert oms_cli.error("queue", "delete", "orders", "--yes")["code"] == 1404
