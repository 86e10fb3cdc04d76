import json

from tests.cli.conftest import Oms


def test_what_is_printed_is_acknowledged(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a", "b", "c")
    receive = ("receive", "orders", "--group", "g", "--timeout", "0")
    assert oms_cli(*receive, "--max", "2").stdout == "a\nb\n"
    assert oms_cli(*receive).stdout == "c\n"
    assert oms_cli(*receive, code=3).stdout == ""
    assert oms_cli("receive", "orders", "--group", "other", "--timeout", "0").stdout == "a\nb\nc\n"


def test_more_than_a_batch(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "--stdin", input="\n".join(map(str, range(1_200))))
    messages = oms_cli.lines("receive", "orders", "--group", "g", "--timeout", "0", "--max", "1100")
    assert [message["body"] for message in messages] == list(map(str, range(1_100)))
    assert oms_cli.json("group", "describe", "orders", "g")["lag"] == 100


def test_peek_leaves_groups_alone(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a", "b", "c")
    for _ in range(2):
        assert oms_cli("receive", "orders", "--peek").stdout == "a\nb\nc\n"
    assert oms_cli("receive", "orders", "--peek", "--max", "2").stdout == "a\nb\n"
    assert oms_cli.json("group", "list") == []


def test_nothing_there(oms_cli: Oms) -> None:
    oms_cli("queue", "create", "orders", "--partitions", "3")
    assert oms_cli("receive", "orders", "--peek", "--timeout", "0.01", code=3).output == ""
    assert oms_cli("receive", "orders", "--group", "g", "--timeout", "0.01", code=3).output == ""


def test_peek_and_follow_see_what_comes(oms_cli: Oms) -> None:
    """Another process cannot send meanwhile, so the first ones are all there is."""
    oms_cli("queue", "create", "orders", "--partitions", "2")
    oms_cli("send", "orders", "a", "b", "c", "--key", "x")
    process = oms_cli.popen("receive", "orders", "--peek", "--follow", "--json")
    assert process.stdout is not None
    assert [json.loads(process.stdout.readline())["body"] for _ in range(3)] == ["a", "b", "c"]
    assert process.poll() is None
    process.kill()
    process.communicate()


def test_wrong_command_lines(oms_cli: Oms) -> None:
    assert "--peek" in oms_cli.error("receive", "orders", code=2)["reason"]
    assert oms_cli.error("receive", "orders", "--group", "g", "--max", "0", code=2)["code"] == 1418


def test_peek_at_what_is_next_for_a_group(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a", "b", "c")
    oms_cli("receive", "orders", "--group", "g", "--max", "1")
    for _ in range(2):
        assert oms_cli("receive", "orders", "--group", "g", "--peek").stdout == "b\nc\n"
        assert oms_cli("receive", "orders", "--group", "g", "--peek", "--max", "1").stdout == "b\n"
    assert oms_cli("receive", "orders", "--group", "g").stdout == "b\nc\n"
    assert oms_cli("receive", "orders", "--group", "g", "--peek", code=3).stdout == ""
    oms_cli.error("receive", "orders", "--group", "g", "--peek", "--follow", code=2)


def test_peek_between_positions_and_of_a_key(oms_cli: Oms) -> None:
    for number, key in enumerate("xyxy"):
        oms_cli("send", "orders", str(number), "--key", key)
    peek = ("receive", "orders", "--peek")
    assert oms_cli(*peek, "--key", "y").stdout == "1\n3\n"
    assert oms_cli(*peek, "--from", "offset:1", "--until", "offset:3").stdout == "1\n2\n"
    assert oms_cli(*peek, "--from", "last-key:x", "--max", "1").stdout == "2\n"
    assert oms_cli(*peek, "--until", "2020-01-01", code=3).stdout == ""
    assert oms_cli.error(*peek, "--from", "never")["code"] == 1418
    oms_cli.error("receive", "orders", "--group", "g", "--key", "x", code=2)
