from tests.cli.conftest import Oms


def ids(oms_cli: Oms, *more: str) -> list[str]:
    return [sent["message_id"] for sent in oms_cli.lines("send", "orders", "a", "b", "--delay", "10m", *more)]


def test_list(oms_cli: Oms) -> None:
    first, second = ids(oms_cli, "--key", "k")
    head, line, _ = oms_cli("delayed", "list", "orders").stdout.splitlines()
    assert head.split() == ["message", "id", "due", "key", "bytes"]
    assert line.split()[0] == first
    assert line.split()[-2:] == ["k", "1"]
    assert [each["message_id"] for each in oms_cli.json("delayed", "list", "orders")] == [first, second]
    assert len(oms_cli.json("delayed", "list", "orders", "--max", "1")) == 1
    assert "delayed      2\n" in oms_cli("queue", "describe", "orders").stdout
    assert oms_cli.error("delayed", "list", "nothing")["code"] == 1404


def test_cancel(oms_cli: Oms) -> None:
    first, second = ids(oms_cli)
    assert oms_cli("delayed", "cancel", "orders", first).stdout == f"cancelled {first}\n"
    again = oms_cli("delayed", "cancel", "orders", second, first, code=3).stdout
    assert again == f"cancelled {second}\ntoo late: no message {first} waits\n"
    assert oms_cli.json("delayed", "list", "orders") == []
    assert oms_cli.lines("delayed", "cancel", "orders", first, code=3) == [{"message_id": first, "cancelled": False}]
    assert oms_cli.error("delayed", "cancel", "orders", "nonsense")["code"] == 1418


def test_reschedule(oms_cli: Oms) -> None:
    first, second = ids(oms_cli)
    assert oms_cli("delayed", "reschedule", "orders", first, "--delay", "0").stdout == f"rescheduled {first}\n"
    oms_cli("delayed", "reschedule", "orders", second, "--at", "2199-01-01T00:00+00:00")
    assert oms_cli("receive", "orders", "--peek").stdout == "a\n"
    assert [each["due_ms"] for each in oms_cli.json("delayed", "list", "orders")] == [7_226_582_400_000]
    oms_cli("delayed", "reschedule", "orders", first, "--delay", "1h", code=3)
    oms_cli("delayed", "reschedule", "orders", second, code=2)
    oms_cli("delayed", "reschedule", "orders", second, "--delay", "1h", "--at", "2199-01-01", code=2)
