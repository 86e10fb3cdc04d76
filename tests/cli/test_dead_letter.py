from tests.cli.conftest import Oms

LETTERS = ("orders", "billing")


def test_list_and_show(oms_cli: Oms) -> None:
    ids = oms_cli.bury(3)
    found = oms_cli.lines("dead-letter", "list", *LETTERS)
    assert [letter["message_id"] for letter in found] == ids
    assert found[0]["properties"]["dead-letter.reason"] == "no address"
    assert found[0]["properties"]["dead-letter.queue"] == "default://orders"
    head, first, *_ = oms_cli("dead-letter", "list", *LETTERS).stdout.splitlines()
    assert head.split()[:2] == ["message", "id"]
    assert first.split()[0] == ids[0]
    assert first.endswith("no address")
    shown = oms_cli("dead-letter", "show", *LETTERS, ids[1]).stdout
    assert "body 1" in shown
    assert "dead-letter.delivery-count  1" in shown
    assert oms_cli.json("dead-letter", "show", *LETTERS, ids[2])["body"] == "body 2"


def test_nothing_there(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a")
    oms_cli("receive", "orders", "--group", "billing", "--timeout", "0")
    assert oms_cli.lines("dead-letter", "list", *LETTERS) == []
    assert "no dead letter" in oms_cli("dead-letter", "show", *LETTERS, "123", code=3).stderr
    assert oms_cli.json("dead-letter", "redrive", *LETTERS)["redriven"] == 0
    assert oms_cli.error("dead-letter", "list", "orders", "nobody")["code"] == 1404
    assert oms_cli.error("dead-letter", "redrive", "nothing", "billing")["code"] == 1404


def test_redrive_keeps_id_key_and_properties(oms_cli: Oms) -> None:
    ids = oms_cli.bury(3)
    assert oms_cli("dead-letter", "redrive", *LETTERS).stdout == "3 of 3 dead letters were sent back\n"
    assert oms_cli.lines("dead-letter", "list", *LETTERS) == []
    back = oms_cli.lines("receive", "orders", "--group", "billing", "--timeout", "0")
    assert [message["message_id"] for message in back] == ids
    assert [message["body"] for message in back] == ["body 0", "body 1", "body 2"]
    assert {message["key"] for message in back} == {"k"}
    assert back[0]["properties"] == {"price": 2.5, "dead-letter.redrives": 1}


def test_dry_run_and_max(oms_cli: Oms) -> None:
    ids = oms_cli.bury(5)
    redrive = ("dead-letter", "redrive", *LETTERS)
    assert oms_cli(*redrive, "--dry-run", "--max", "2").stdout == "2 of 5 dead letters would be sent back\n"
    assert oms_cli.json(*redrive, "--dry-run") == {
        "queue": "default://orders.billing.dead-letter",
        "redriven": 0,
        "found": 5,
        "refused": [],
    }
    assert oms_cli.json(*redrive, "--max", "2")["redriven"] == 2
    assert [letter["message_id"] for letter in oms_cli.lines("dead-letter", "list", *LETTERS)] == ids[2:]
    assert oms_cli.json(*redrive, "--rate", "1000")["redriven"] == 3


def test_to_another_queue(oms_cli: Oms) -> None:
    oms_cli.bury(2)
    assert oms_cli.error("dead-letter", "redrive", *LETTERS, "--to", "nothing")["code"] == 1404
    oms_cli("queue", "create", "aside")
    oms_cli("dead-letter", "redrive", *LETTERS, "--to", "aside")
    assert oms_cli.json("queue", "describe", "aside")["messages"] == 2


def test_a_message_of_unknown_origin_stays(oms_cli: Oms) -> None:
    oms_cli.bury(1)
    oms_cli("send", "orders.billing.dead-letter", "by hand")
    assert oms_cli.json("dead-letter", "redrive", *LETTERS)["redriven"] == 1
    assert len(oms_cli.lines("dead-letter", "list", *LETTERS)) == 1
    assert oms_cli.json("dead-letter", "redrive", *LETTERS, "--to", "orders")["redriven"] == 1
    assert oms_cli.lines("dead-letter", "list", *LETTERS) == []


def test_where_and_the_guard_against_loops(oms_cli: Oms) -> None:
    oms_cli.bury(2)
    oms_cli("send", "orders.billing.dead-letter", "of unknown origin", "--key", "u")
    redrive = ("dead-letter", "redrive", *LETTERS)
    assert oms_cli.json(*redrive, "--where", "header.messageKey = 'none'")["redriven"] == 0
    where = "price BETWEEN 2 AND 3 AND header.messageKey IN ('k', 'l')"
    assert oms_cli(*redrive, "--where", where, "--dry-run").stdout.startswith("2 of 3")
    result = oms_cli(*redrive)
    assert result.stdout == "2 of 3 dead letters were sent back\n"
    assert "offset 2 stays: it does not say which queue it came from" in result.stderr
    oms_cli("receive", "orders", "--group", "billing", "--timeout", "0")
    assert [each["offset"] for each in oms_cli.json(*redrive)["refused"]] == [2]
    assert oms_cli.error(*redrive, "--where", "price >")["field"] == "filter"
    assert "price = 'high'" in oms_cli(*redrive, "--where", "price=high", code=2).stderr
