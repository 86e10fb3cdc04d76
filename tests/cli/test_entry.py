from openmessaging.broker import entry as log_entry
from openmessaging.cli.entry import describe
from openmessaging.model.batch import OWN_IDS, encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.storage.inspect import DumpEntry


def item(entry: log_entry.Entry) -> DumpEntry:
    parts, _ = log_entry.encode(entry)
    body = b"".join(parts)
    return DumpEntry("log/0.seg", 64, 3, len(body), 0, body)


def test_operations_by_name() -> None:
    names: dict[int, tuple[str, int]] = {}
    create = log_entry.CreateQueue("default://orders", 1, 7, 2, {})
    shown = describe(item(log_entry.Entry(0, (create, log_entry.ReleaseAll(), log_entry.Settle(4)))), names)
    assert [operation["op"] for operation in shown.operations] == ["create-queue", "release-all", "settle"]
    assert (names[7], names[8]) == (("default://orders", 0), ("default://orders", 1))
    assert list(shown.lines())[2:] == ["  release-all keep_outside=False", "  settle lease_id=4"]


def test_lanes_are_numbered_behind_the_partitions_of_their_queue() -> None:
    names: dict[int, tuple[str, int]] = {}
    lanes = [log_entry.CreateLane(1, 9, 1, 8), log_entry.CreateLane(1, 12, 0, 2), log_entry.CreateLane(6, 13, 0, 2)]
    describe(item(log_entry.Entry(0, (log_entry.CreateQueue("default://orders", 1, 7, 2, {}), *lanes))), names)
    assert (names[9], names[12], 13 in names) == (("default://orders", 2), ("default://orders", 3), False)


def test_messages_with_queue_id_and_body() -> None:
    own = {"messageId": "own-id"}
    batch = encode(
        [Record(b"text", "k", None, own), Record(b"\xff")],
        shared=encode_shared({}),
        born_ms=1,
        producer_id=2,
        first_sequence=0,
        attributes=OWN_IDS,
    )
    entry = log_entry.Entry(0, (), (log_entry.Placed(7, 10, 2, 0),), (batch,))
    known = describe(item(entry), {7: ("default://orders", 1)})
    assert [(message["queue"], message["partition"], message["offset"]) for message in known.messages] == [
        ("default://orders", 1, 10),
        ("default://orders", 1, 11),
    ]
    assert known.messages[0]["message_id"] == "own-id"
    assert known.messages[1]["body_base64"] == "/w=="
    assert list(known.lines())[1:] == [
        "  default://orders/1 offset=10 key=k: text",
        "  default://orders/1 offset=11: hex:ff",
    ]
    assert describe(item(entry), {}).messages[0]["queue"] == "partition-id-7"


def test_a_message_is_one_line() -> None:
    batch = encode(
        [Record(b"a\nb")], shared=encode_shared({}), born_ms=1, producer_id=2, first_sequence=0, attributes=0
    )
    entry = log_entry.Entry(0, (), (log_entry.Placed(7, 0, 1, 0),), (batch,))
    assert list(describe(item(entry), {7: ("q", 0)}).lines())[1:] == ["  q/0 offset=0: a\\nb"]


def test_what_cannot_be_read_says_why() -> None:
    gap = DumpEntry("log/0.seg", 64, 3, 40, 0, b"", "40 bytes are no whole entry")
    assert "DAMAGED: 40 bytes" in next(describe(gap, {}).lines())
    shown = describe(DumpEntry("log/0.seg", 64, 3, 40, 0, b"nonsense"), {})
    assert shown.problem is not None
    assert shown.operations == shown.messages == []
