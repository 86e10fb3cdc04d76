import json
import time
from base64 import b64encode

import pytest

from tests.cli.conftest import Oms


def test_arguments(oms_cli: Oms) -> None:
    text = oms_cli("send", "orders", "pizza", "grün", "--key", "alice", "--property", "price=2=3", "--property", "x=")
    assert text.stdout == "sent 2 messages to default://orders (fsync)\n"
    messages = oms_cli.lines("receive", "orders", "--peek")
    assert [message["body"] for message in messages] == ["pizza", "grün"]
    assert messages[0]["key"] == "alice"
    assert messages[0]["properties"] == {"price": "2=3", "x": ""}


def test_a_priority(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "later")
    oms_cli("send", "orders", "first", "second", "--priority", "9")
    shown = oms_cli("queue", "describe", "orders").stdout
    assert "offsets 0 to 2, priority 9 of partition 0" in shown
    messages = oms_cli.lines("receive", "orders", "--group", "g", "--max", "3")
    assert [message["body"] for message in messages] == ["first", "second", "later"]
    assert messages[0]["headers"]["priority"] == 9
    assert "priority" in oms_cli("send", "orders", "--jsonl", "--priority", "2", code=2).stderr


def test_json_is_a_line_per_message(oms_cli: Oms) -> None:
    sent = oms_cli.lines("send", "orders", "a", "b")
    assert [(line["queue"], line["partition"], line["offset"], line["durability"]) for line in sent] == [
        ("default://orders", 0, 0, "fsync"),
        ("default://orders", 0, 1, "fsync"),
    ]
    received = oms_cli.lines("receive", "orders", "--peek")
    assert [line["message_id"] for line in received] == [line["message_id"] for line in sent]
    assert received[0]["store_timestamp"] == sent[0]["store_timestamp"]


def test_lines_of_standard_input(oms_cli: Oms) -> None:
    out, err = oms_cli.process("send", "orders", "--stdin", "--key", "k", "--batch", "2", input="a\r\n\nb\nlast")
    assert out == "sent 4 messages to default://orders (fsync)\n"
    assert err == ""
    messages = oms_cli.lines("receive", "orders", "--peek")
    assert [(message["body"], message["key"]) for message in messages] == [
        ("a", "k"),
        ("", "k"),
        ("b", "k"),
        ("last", "k"),
    ]


def test_bytes_that_are_no_text(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "--stdin", input=b"\xff\x01\n")
    assert oms_cli("receive", "orders", "--peek").stdout == "hex:ff01\n"
    [message] = oms_cli.lines("receive", "orders", "--peek")
    assert message["body_base64"] == b64encode(b"\xff\x01").decode()


def test_json_lines(oms_cli: Oms) -> None:
    lines = [
        {"body": "pizza", "key": "alice", "properties": {"price": 2.5, "n": 3}, "headers": {"correlationId": "c"}},
        {"body": {"nested": [1]}},
    ]
    oms_cli("send", "orders", "--jsonl", input="\n\n".join(map(json.dumps, lines)))
    first, second = oms_cli.lines("receive", "orders", "--peek")
    assert (first["body"], first["key"]) == ("pizza", "alice")
    assert first["properties"] == {"price": 2.5, "n": 3}
    assert first["headers"]["correlationId"] == "c"
    assert second["body"] == '{"nested":[1]}'


def test_what_was_received_can_be_sent(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a", "b", "--key", "k", "--property", "p=v")
    out, _ = oms_cli.process("receive", "orders", "--peek", "--json")
    oms_cli.process("send", "copies", "--jsonl", input=out)
    [first, second] = oms_cli.lines("receive", "copies", "--peek")
    assert [first["body"], second["body"]] == ["a", "b"]
    assert (first["key"], first["properties"]) == ("k", {"p": "v"})


def test_nothing_to_send(oms_cli: Oms) -> None:
    assert "sent 0 messages" in oms_cli("send", "orders", "--stdin", input="").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a", "--stdin"),
        ("--stdin", "--jsonl"),
        ("--jsonl", "--key", "k"),
        ("a", "--property", "nothing"),
        ("--jsonl", "--delay", "1m"),
        ("--jsonl", "--expire", "0"),
        ("a", "--delay", "1m", "--at", "2199-01-01"),
        ("a", "--at", "x"),
    ],
)
def test_wrong_command_lines(oms_cli: Oms, arguments: tuple[str, ...]) -> None:
    assert oms_cli.error("send", "orders", *arguments, code=2)["code"] == 1418
    assert not oms_cli.directory.exists()


def test_an_error_names_the_line_and_what_was_stored_before(oms_cli: Oms) -> None:
    lines = '{"body": 1}\n{"body": 2}\n{"body": 3, "properties": {"price": []}}\n'
    failed = oms_cli("send", "orders", "--jsonl", "--batch", "2", "--json", input=lines, code=1)
    found = json.loads(failed.stderr)["error"]
    assert (found["code"], found["field"]) == (1400, "properties.price")
    assert found["reason"].startswith("line 3: ")
    assert found["reason"].endswith("(2 messages were stored before)")
    assert oms_cli.json("queue", "describe", "orders")["messages"] == 2 == len(failed.stdout.splitlines())


def test_a_body_too_large_names_its_line(oms_cli: Oms) -> None:
    found = oms_cli.error("send", "orders", "--stdin", input="a\n" + "x" * ((4 << 20) + 1))
    assert (found["code"], found["field"]) == (1413, "data")
    assert found["reason"].startswith("line 2: ")


def test_a_wrong_name(oms_cli: Oms) -> None:
    assert oms_cli.error("send", "a b/c", "body")["code"] == 1418
    assert oms_cli.error("send", "nowhere://orders", "body")["code"] == 1405


def test_delayed_and_expiring(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "later", "--delay", "1h")
    oms_cli("send", "orders", "much later", "--at", "2099-01-01T00:00+00:00")
    oms_cli("send", "orders", "short", "--expire", "50ms")
    oms_cli("send", "orders", "long", "--expire", "1h")
    time.sleep(0.06)
    assert oms_cli("receive", "orders", "--group", "g", "--max", "9").stdout == "long\n"
    assert len(oms_cli.json("delayed", "list", "orders")) == 2
    assert oms_cli.json("queue", "describe", "orders")["expired"] == 1
    assert "expired      1\n" in oms_cli("queue", "describe", "orders").stdout
