from openmessaging import TransactionCheck
from openmessaging import blocking as oms
from tests.cli.conftest import Oms


def prepare(oms_cli: Oms, *bodies: str) -> list[str]:
    """Prepared messages of a producer that is gone; their transactions' ids."""
    with (
        oms.connect(oms_cli.url) as access_point,
        access_point.create_producer(
            producer_id="shop",
            transaction_state_check_listener=lambda *_: None,
            transaction_check=TransactionCheck(first=600),
        ) as producer,
    ):
        return [producer.prepare(producer.create_message("orders", body.encode())).transaction_id for body in bodies]


def test_look_and_decide(oms_cli: Oms) -> None:
    first, second, third = prepare(oms_cli, "first", "second", "third")
    found = oms_cli.lines("transaction", "list")
    assert [each["transactionId"] for each in found] == [first, second, third]
    assert (found[0]["queue"], found[0]["producer"], found[0]["checks"]) == ("default://orders", "shop", 0)
    assert found[0]["nextCheckTimestamp"] == found[0]["preparedTimestamp"] + 600_000
    assert found[0]["message"]["body"] == "first"
    shown = oms_cli("transaction", "list").stdout
    assert second in shown
    assert "shop" in shown
    assert oms_cli("transaction", "commit", second).stdout == f"{second} is committed\n"
    assert oms_cli.json("transaction", "commit", second) == {"transactionId": second, "committed": True}
    assert oms_cli("transaction", "rollback", first).stdout == f"{first} is rolled back\n"
    assert "was committed" in oms_cli.error("transaction", "rollback", second)["reason"]
    assert oms_cli.error("transaction", "commit", "nonsense")["next_step"]
    assert oms_cli("receive", "orders", "--peek").stdout == "second\n"
    assert [each["transactionId"] for each in oms_cli.lines("transaction", "list")] == [third]
