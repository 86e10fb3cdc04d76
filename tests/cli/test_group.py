from datetime import datetime, timedelta

import pytest

from tests.cli.conftest import Oms


@pytest.fixture
def oms_group(oms_cli: Oms) -> Oms:
    oms_cli("send", "orders", "a", "b", "c")
    oms_cli("receive", "orders", "--group", "g", "--max", "2")
    return oms_cli


def test_list(oms_group: Oms) -> None:
    oms_group("send", "bills", "x")
    oms_group("receive", "bills", "--group", "h", "--timeout", "0")
    head, first, second = oms_group("group", "list").stdout.splitlines()
    assert head.split() == ["group", "queue", "behind", "in", "flight", "retrying", "oldest"]
    assert first.split()[:3] == ["h", "default://bills", "0"]
    assert second.split()[:3] == ["g", "default://orders", "1"]
    assert second.endswith("Z")
    assert [group["name"] for group in oms_group.json("group", "list", "orders")] == ["g"]
    assert oms_group.error("group", "list", "nothing")["code"] == 1404


def test_describe(oms_group: Oms) -> None:
    info = oms_group.json("group", "describe", "orders", "g")
    assert (info["lag"], info["floors"]) == (1, [2])
    assert info["dead_letter_queue"] == "default://orders.g.dead-letter"
    text = oms_group("group", "describe", "orders", "g").stdout
    assert "behind          1\n" in text
    assert "invisible time  30 s" in text
    assert oms_group.error("group", "describe", "orders", "nothing")["code"] == 1404
    assert oms_group.error("group", "describe", "nothing", "g")["code"] == 1404


@pytest.mark.parametrize(("to", "lag"), [("earliest", 3), ("latest", 0), ("offset:1", 2), ("ts:0", 3)])
def test_seek(oms_group: Oms, to: str, lag: int) -> None:
    assert oms_group.json("group", "seek", "orders", "g", "--to", to)["lag"] == lag
    assert oms_group("group", "seek", "orders", "g", "--to", to).stdout == (
        f"moved g of default://orders to {to}: {lag} messages behind\n"
    )


def test_seek_to_a_time_of_this_machine(oms_group: Oms) -> None:
    now = datetime.now()
    for moment, lag in ((now - timedelta(hours=1), 3), (now + timedelta(hours=1), 0)):
        found = oms_group.json("group", "seek", "orders", "g", "--to", moment.isoformat(timespec="minutes"))
        assert found["lag"] == lag


def test_seek_to_nowhere(oms_group: Oms) -> None:
    assert oms_group.error("group", "seek", "orders", "g", "--to", "yesterday")["code"] == 1418
    assert oms_group.error("group", "seek", "orders", "nothing", "--to", "earliest")["code"] == 1404
    assert oms_group.error("group", "seek", "orders", "g", code=2)["code"] == 1418


def test_seek_to_a_key_and_of_one_partition(oms_group: Oms) -> None:
    for number, key in enumerate("xyx"):
        oms_group("send", "keyed", str(number), "--key", key)
    oms_group("receive", "keyed", "--group", "g", "--timeout", "0")
    for to, lag in (("key:x", 3), ("last-key:x", 1), ("key:y", 2)):
        assert oms_group.json("group", "seek", "keyed", "g", "--to", to)["lag"] == lag
    assert oms_group.error("group", "seek", "keyed", "g", "--to", "key:z")["code"] == 1418
    assert oms_group.json("group", "seek", "keyed", "g", "--to", "offset:1", "--partition", "0")["lag"] == 2
    assert oms_group.error("group", "seek", "keyed", "g", "--to", "latest", "--partition", "0", code=2)
    assert oms_group.error("group", "seek", "keyed", "g", "--to", "offset:1", "--partition", "7")["code"] == 1418


def test_delete(oms_group: Oms) -> None:
    assert "1 messages behind?" in oms_group("group", "delete", "orders", "g", input="n\n", code=1).stderr
    assert oms_group("group", "delete", "orders", "g", "--yes").stdout == "deleted the group g of default://orders\n"
    assert oms_group.error("group", "delete", "orders", "g", "--yes")["code"] == 1404
    oms_group("receive", "orders", "--group", "g", "--timeout", "0")
    assert oms_group.json("group", "delete", "orders", "g", "--yes")["deleted"] is True
