import shutil
from pathlib import Path

import pytest

from openmessaging.storage.segment.format import ENTRY_HEADER_BYTES, FORMAT
from tests.cli.conftest import Oms


def segment(oms_cli: Oms) -> Path:
    return sorted((oms_cli.directory / "log").glob("*.seg"))[0]


@pytest.fixture
def whole(oms_cli: Oms) -> Oms:
    for body in ("first", "second", "third"):
        oms_cli("send", "orders", body, "--key", "k")
    return oms_cli


@pytest.fixture
def damaged(whole: Oms) -> Oms:
    """One bit of the second message is another."""
    path = segment(whole)
    content = bytearray(path.read_bytes())
    content[content.index(b"second")] ^= 1
    path.write_bytes(content)
    return whole


def test_info(whole: Oms) -> None:
    found = whole.json("store", "info", str(whole.directory))
    assert (found["clean"], found["min_index"], len(found["segments"])) == (True, 0, 1)
    text = whole("store", "info", str(whole.directory)).stdout
    assert "closed in order  yes" in text
    assert segment(whole).name in text


def test_verify_a_whole_store(whole: Oms) -> None:
    text = whole("store", "verify", str(whole.directory)).stdout
    assert text.startswith("whole: ")
    found = whole.json("store", "verify", str(whole.directory))
    assert (found["whole"], found["findings"]) == (True, [])


def test_dump(whole: Oms) -> None:
    entries = whole.lines("store", "dump", str(whole.directory))
    messages = [message for entry in entries for message in entry.get("messages", [])]
    assert [(message["queue"], message["offset"], message["body"]) for message in messages] == [
        ("default://orders", 0, "first"),
        ("default://orders", 1, "second"),
        ("default://orders", 2, "third"),
    ]
    text = whole("store", "dump", str(whole.directory)).stdout
    assert "create-queue name=default://orders" in text
    assert "default://orders/0 offset=1 key=k: second" in text


def test_damage_is_found_with_its_position(damaged: Oms) -> None:
    directory = str(damaged.directory)
    found = damaged.json("store", "verify", directory, code=1)
    assert found["whole"] is False
    [finding] = [finding for finding in found["findings"] if finding["acknowledged"]]
    assert finding["path"] == str(segment(damaged))
    at = segment(damaged).read_bytes().index(b"third")
    assert ENTRY_HEADER_BYTES < finding["position"] < at
    text = damaged("store", "verify", directory, code=1).stdout
    assert f"DAMAGE: {segment(damaged)}, position {finding['position']}" in text
    assert text.splitlines()[-1].startswith("damaged: ")


def test_a_damaged_store_is_dumped_as_far_as_it_can_be_read(damaged: Oms) -> None:
    entries = damaged.lines("store", "dump", str(damaged.directory), code=1)
    bodies = [message["body"] for entry in entries for message in entry.get("messages", [])]
    assert bodies == ["first", "third"]
    assert [entry["problem"] is not None for entry in entries if "problem" in entry] == [True]
    assert "DAMAGED: " in damaged("store", "dump", str(damaged.directory), code=1).stdout


def test_a_torn_tail_is_no_damage(whole: Oms) -> None:
    path = segment(whole)
    (whole.directory / "clean").unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    at = content.index(b"third")
    content[at + 5 : at + 100] = bytes(95)
    content[at + 2] ^= 1
    path.write_bytes(content)
    shutil.rmtree(whole.directory / "snapshots")
    text = whole("store", "verify", str(whole.directory)).stdout
    assert "note: " in text
    assert "torn tail" in text
    assert "DAMAGED" in whole("store", "dump", str(whole.directory)).stdout


def test_opening_a_damaged_store_loses_nothing(damaged: Oms) -> None:
    shutil.rmtree(damaged.directory / "snapshots")  # so that the whole log is read
    (damaged.directory / "clean").unlink()
    before = segment(damaged).read_bytes()
    found = damaged.error("receive", "orders", "--peek")
    assert found["code"] == 1501
    assert str(segment(damaged)) in found["reason"]
    assert segment(damaged).read_bytes() == before


def test_a_store_of_a_newer_format(whole: Oms) -> None:
    path = segment(whole)
    content = bytearray(path.read_bytes())
    newer = FORMAT + 1
    content[8:12] = newer.to_bytes(2, "big") + (newer ^ 0xFFFF).to_bytes(2, "big")
    path.write_bytes(content)
    assert whole.error("queue", "list")["code"] == 1101
    assert "format" in whole.error("store", "info", str(whole.directory))["reason"]
    assert path.read_bytes() == bytes(content)


def test_no_store(whole: Oms, tmp_path: Path) -> None:
    for command in ("info", "verify", "dump"):
        assert whole.error("store", command, str(tmp_path))["code"] == 1418
        assert whole.error("store", command, str(tmp_path / "nothing"))["code"] == 1418


def test_in_use(whole: Oms) -> None:
    process = whole.popen("receive", "orders", "--peek", "--follow")
    assert process.stdout is not None
    assert process.stdout.readline() == "first\n"
    try:
        assert whole.json("store", "info", str(whole.directory))["holder"]["pid"] == process.pid
        assert whole.json("store", "verify", str(whole.directory))["whole"] is True
    finally:
        process.kill()
        process.communicate()
