import json
from pathlib import Path

from tests.cli.conftest import Oms

BIG = ("route", "create", "big", "orders", "large")


def test_create_show_and_list(oms_cli: Oms) -> None:
    shown = oms_cli(*BIG, "-o", "filter amount > 10", "-o", "set region = 'EU'").stdout.splitlines()
    assert shown[:6] == [
        "route         default://big",
        "source        default://orders",
        "targets       default://large",
        "operator 1    filter amount > 10",
        "operator 2    set region = 'EU'",
        "group         route-big",
    ]
    oms_cli("route", "create", "fn", "large", "x", "y", "-o", "call enrich", "--from", "earliest", "--trace")
    assert "routed" not in oms_cli("route", "show", "fn").stdout
    assert oms_cli("route", "list").stdout.splitlines() == [
        "route          source            targets                   operators                               lag",
        "default://big  default://orders  default://large           filter amount > 10 | set region = 'EU'    0",
        "default://fn   default://large   default://x, default://y  call enrich                               0",
    ]
    found = oms_cli.json("route", "list")
    assert [each["route"]["name"] for each in found] == ["default://big", "default://fn"]
    assert found[1]["route"]["trace"] is True
    assert oms_cli.json("route", "show", "big")["route"]["operators"][0] == {
        "kind": "filter",
        "condition": "amount > 10",
    }


def test_what_is_wrong(oms_cli: Oms) -> None:
    oms_cli(*BIG)
    assert oms_cli.error(*BIG)["code"] == 1406
    assert "in a circle" in oms_cli.error("route", "create", "back", "large", "orders")["reason"]
    failure = oms_cli.error("route", "create", "x", "orders", "y", "-o", "drop")
    assert "sample 10% [by id|key]" in failure["next_step"]
    assert oms_cli.error("queue", "delete", "large", "--yes")["code"] == 1400
    assert oms_cli.error("route", "show", "nothing")["code"] == 1404


def test_delete(oms_cli: Oms) -> None:
    oms_cli(*BIG)
    assert "Delete default://big, with 0 messages" in oms_cli("route", "delete", "big", input="", code=1).stderr
    assert oms_cli("route", "delete", "big", "--yes").stdout == "deleted default://big\n"
    assert oms_cli.error("route", "delete", "big", "--yes")["code"] == 1404
    oms_cli(*BIG)
    assert oms_cli.json("route", "delete", "big", "--yes") == {"route": "default://big", "deleted": True}


def test_messages_run_through(oms_cli: Oms) -> None:
    oms_cli(*BIG, "-o", "filter color = 'red'")
    oms_cli("send", "orders", "a", "--property", "color=red")
    oms_cli("send", "orders", "b", "--property", "color=blue")
    assert oms_cli("receive", "large", "--group", "g", "--timeout", "10").stdout == "a\n"


def test_explain(oms_cli: Oms, tmp_path: Path) -> None:
    oms_cli(*BIG, "-o", "filter amount > 10", "-o", "set region = 'EU'; header.messageKey = 'k'")
    oms_cli("route", "create", "next", "large", "end", "-o", "sample 10%")
    oms_cli("send", "orders", "a", "--property", "amount=12")
    big = ("--property", "amount=12.5", "--property", "ok=true", "--key", "x")
    assert oms_cli("route", "explain", "--queue", "orders", *big).stdout.splitlines() == [
        "default://orders -> default://big",
        "  passes   filter amount > 10",
        "  changes  set region = 'EU'; header.messageKey = 'k'  "
        "(region: nothing -> 'EU', header.messageKey: 'x' -> 'k')",
        "  goes to default://large",
        "    default://large -> default://next",
        "      unknown  sample 10% by id  (the id decides, which the message gets when it is sent)",
        "      goes to default://end",
    ]
    stored = oms_cli("route", "explain", "--queue", "orders", "--at", "0:0").stdout
    assert "drops    filter amount > 10\n  goes nowhere" in stored  # a property that `send` made is text
    document = tmp_path / "message.json"
    header = {"destination": "orders"}
    document.write_text(json.dumps({"message": {"version": "1.0.0", "header": header, "properties": {"amount": 5}}}))
    (found,) = oms_cli.json("route", "explain", str(document))
    assert [step["verdict"] for step in found["steps"]] == ["drops"]
    assert found["targets"] == []
    assert oms_cli("route", "explain", "--queue", "end").stdout == "no route reads end\n"


def test_explaining_what_is_not_there(oms_cli: Oms, tmp_path: Path) -> None:
    oms_cli(*BIG)
    for wrong in (
        (),
        ("--queue", "orders", "--at", "0:0", "--key", "k"),
        ("--queue", "orders", "--at", "first"),
        ("--queue", "orders", "--property", "a"),
    ):
        assert oms_cli("route", "explain", *wrong, code=2).stdout == ""
    assert oms_cli.error("route", "explain", "--queue", "orders", "--at", "0:5")["code"] == 1404
    assert oms_cli.error("route", "explain", "--queue", "never")["code"] == 1404
