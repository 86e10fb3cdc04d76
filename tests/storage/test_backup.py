"""Backups in directories: what may be backed up where, what is damaged, what can be restored."""

import json
import os
import random
import re
import shutil
from pathlib import Path

import google_crc32c
import pytest

from openmessaging.broker.restoring import after_index, after_time, digest_of
from openmessaging.broker.store import StoreOptions, open_store
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.storage.backup import MANIFEST, Written, read_manifest, write_backup
from openmessaging.storage.inspect import verify
from openmessaging.storage.restore import Restored, restore_backup
from openmessaging.system import SystemDisk

DISK = SystemDisk()


class Source:
    """A store in a directory, open."""

    def __init__(self, path: Path, seed: int = 1) -> None:
        self.path = path
        self.clock = SimulatedClock()
        options = StoreOptions(segment_bytes=64 * 1024, flush="never")
        chance = random.Random(seed)
        self.store = open_store(str(path), options, clock=self.clock, chance=chance, upkeep=False)
        self.driver = BlockingEmbeddedDriver(self.store, lambda: None)
        self.sent = 0

    def send(self, count: int) -> None:
        for _ in range(count):
            records = [Record(bytes(9_000))]
            batch = encode(records, shared=encode_shared({}), born_ms=1, producer_id=7, first_sequence=self.sent)
            self.store.runner.send([OutgoingBatch("default://orders", None, batch)])
            self.sent += 1
            self.clock.advance(1.0)

    def back_up(self, target: Path, stop_after: int = -1) -> Written:
        plan = self.driver.begin_backup()
        left = stop_after

        def read(*place: int) -> bytes:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return self.driver.read_backup(plan.id, *place)

        try:
            return write_backup(DISK, str(target), plan, read, lambda _, __: None)
        finally:
            self.driver.end_backup(plan.id)


@pytest.fixture
def source(tmp_path: Path):
    made = Source(tmp_path / "store")
    made.send(20)
    yield made
    made.store.close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def restore(target: Path, where: Path, beyond=None) -> Restored:
    shown: list[tuple[int, int]] = []
    restored = restore_backup(
        DISK, str(target), str(where), beyond or after_index(1 << 60), lambda done, total: shown.append((done, total))
    )
    assert shown[-1][0] == shown[-1][1]
    return restored


def test_it_comes_back_whole(source: Source, target: Path, tmp_path: Path) -> None:
    written = source.back_up(target)
    assert written.first_index == -1
    restored = restore(target, tmp_path / "restored")
    assert restored.index == written.index
    assert digest_of(DISK, str(tmp_path / "restored")) == written.digest == restored.expected
    report = verify(str(tmp_path / "restored"))
    assert report.whole
    assert not report.findings
    assert report.segments > 1


def test_again_only_what_is_new_is_copied(source: Source, target: Path, tmp_path: Path) -> None:
    first = source.back_up(target)
    before = {path.name: path.read_bytes() for path in (target / "log").iterdir()}
    source.send(10)
    second = source.back_up(target)
    assert second.copied_bytes < first.copied_bytes
    for name, content in before.items():
        assert (target / "log" / name).read_bytes().startswith(content)
    assert source.back_up(target).copied_bytes < 1_000
    for point, digest in ((first.index, first.digest), (second.index, second.digest)):
        restored = restore(target, tmp_path / str(point), after_index(point))
        assert (restored.index, restored.expected) == (point, digest)
        assert digest_of(DISK, str(tmp_path / str(point))) == digest


def test_a_time_is_the_moment_before_the_first_later_entry(source: Source, target: Path, tmp_path: Path) -> None:
    begun = source.clock.now_ms()
    source.send(5)
    source.back_up(target)
    restored = restore(target, tmp_path / "restored", after_time(begun + 2_500))
    assert restored.index == restore(target, tmp_path / "all").index - 2
    assert restored.expected is None


def test_an_empty_store(tmp_path: Path, target: Path) -> None:
    source = Source(tmp_path / "empty")
    written = source.back_up(target)
    assert written.index == -1
    restored = restore(target, tmp_path / "restored")
    assert restored.index == -1
    assert digest_of(DISK, str(tmp_path / "restored")) == written.digest
    source.send(1)
    source.back_up(target)
    assert restore(target, tmp_path / "nothing", after_index(-1)).index == -1
    source.store.close()


def test_the_point_must_be_in_the_backup(source: Source, target: Path, tmp_path: Path) -> None:
    source.driver.purge_queue("default://orders")
    for _ in range(4):
        source.store.maintenance.snapshot(again=True)
        source.store.maintenance.work(full_round=True)
    written = source.back_up(target)
    assert written.first_index == written.index
    with pytest.raises(OMSRuntimeException, match=f"begins at entry {written.index}"):
        restore(target, tmp_path / "early", after_index(written.index - 1))
    source.send(1)
    source.back_up(target)
    assert restore(target, tmp_path / "restored", after_index(written.index)).expected == written.digest


def test_a_first_backup_that_was_killed_is_none_and_is_begun_again(
    source: Source, target: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        source.back_up(target, stop_after=1)
    with pytest.raises(OMSRuntimeException, match="was not completed"):
        restore(target, tmp_path / "restored")
    written = source.back_up(target)
    assert restore(target, tmp_path / "restored2").expected == written.digest


def test_a_later_one_that_was_killed_leaves_the_earlier(source: Source, target: Path, tmp_path: Path) -> None:
    first = source.back_up(target)
    source.send(10)
    with pytest.raises(KeyboardInterrupt):
        source.back_up(target, stop_after=2)
    assert restore(target, tmp_path / "restored").expected == first.digest


@pytest.mark.parametrize("name", ["notes.txt", "log"])
def test_a_directory_with_other_things(source: Source, target: Path, name: str) -> None:
    target.mkdir()
    (target / name).write_text("mine")
    with pytest.raises(OMSRuntimeException, match=f"holds other files, as {name}") as caught:
        source.back_up(target)
    assert "empty directory" in caught.value.next_step
    assert os.listdir(target) == [name]


def test_backups_of_another_store_or_another_past(source: Source, target: Path, tmp_path: Path) -> None:
    source.back_up(target)
    other = Source(tmp_path / "other", seed=2)
    other.send(30)
    with pytest.raises(OMSRuntimeException, match="of another store, or of another past"):
        other.back_up(target)
    other.store.close()
    restore(target, tmp_path / "restored", after_index(10))
    past = Source(tmp_path / "restored")
    with pytest.raises(OMSRuntimeException, match="of another store, or of another past"):
        past.back_up(target)
    past.send(30)
    with pytest.raises(OMSRuntimeException, match="of another store, or of another past"):
        past.back_up(target)
    past.store.close()


def test_what_follows_was_given_up(source: Source, target: Path) -> None:
    source.back_up(target)
    source.send(30)
    source.driver.purge_queue("default://orders")
    for _ in range(4):
        source.store.maintenance.snapshot(again=True)
        source.store.maintenance.work(full_round=True)
    with pytest.raises(OMSRuntimeException, match="has given up what follows") as caught:
        source.back_up(target)
    assert "new directory" in caught.value.next_step


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_a_damaged_backup_says_where(source: Source, target: Path, tmp_path: Path) -> None:
    written = source.back_up(target)
    second = sorted((target / "log").iterdir())[1]
    flip(second, 4096 + 50)
    place = rf"{second.name} at position {int(second.stem)}, index \d+"
    with pytest.raises(OMSRuntimeException, match=place) as caught:
        restore(target, tmp_path / "restored")
    assert caught.value.code == 1501
    flip(second, 4096 + 50)
    flip(second, 20)
    with pytest.raises(OMSRuntimeException, match=re.escape(second.name)):
        restore(target, tmp_path / "header")
    second.unlink()
    with pytest.raises(OMSRuntimeException, match=rf"{second.name} .*is missing"):
        restore(target, tmp_path / "missing")
    assert restore(target, tmp_path / "early", after_index(2)).index == 2, "what was before can be had"
    assert written.digest


def test_a_damaged_state_is_made_again_from_the_log(source: Source, target: Path, tmp_path: Path) -> None:
    written = source.back_up(target)
    (state,) = (target / "snapshots").iterdir()
    flip(state, 60)
    restore(target, tmp_path / "restored")
    assert digest_of(DISK, str(tmp_path / "restored")) == written.digest
    manifest = read_manifest(DISK, str(target))
    assert manifest is not None
    manifest.first_index = 0  # as if the log did not begin with its first entry
    from openmessaging.storage.backup import _sign

    _sign(DISK, str(target), manifest)
    with pytest.raises(OMSRuntimeException, match=rf"{state.name}: its CRC does not match"):
        restore(target, tmp_path / "restored2")


def test_a_damaged_store_is_not_taken_for_a_backup(source: Source, target: Path) -> None:
    source.store.runner.flush()
    flip(sorted((source.path / "log").glob("*.seg"))[1], 4096 + 50)
    with pytest.raises(OMSRuntimeException, match=r"the store is damaged: \d+.seg at position \d+, index \d+"):
        source.back_up(target)


def test_a_manifest_that_is_damaged_or_newer(source: Source, target: Path, tmp_path: Path) -> None:
    source.back_up(target)
    path = target / MANIFEST
    whole = path.read_bytes()
    for damaged in (whole[:-10], b"[]", whole.replace(b'"size_bytes": 6', b'"size_bytes": 7', 1)):
        if damaged != whole:
            path.write_bytes(damaged)
            with pytest.raises(OMSRuntimeException, match=r"1501 .*does not check"):
                restore(target, tmp_path / "restored")
    newer = json.loads(whole)
    newer["manifest"]["format"] = 2
    newer["crc"] = google_crc32c.value(json.dumps(newer["manifest"]).encode())
    path.write_bytes(json.dumps(newer).encode())
    with pytest.raises(OMSRuntimeException, match=r"1101 .*has format 2, this release reads format 1"):
        restore(target, tmp_path / "restored")
    shutil.rmtree(target)
    with pytest.raises(OMSRuntimeException, match="is not there"):
        restore(target, tmp_path / "restored")
