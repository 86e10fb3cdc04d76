"""Backups of a server under load: what was acknowledged is in them; one that is killed leaves none, or the last."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from openmessaging import blocking
from openmessaging.broker.restoring import after_index, digest_of
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.restore import manifest_of, restore_backup
from openmessaging.system import SystemDisk
from tests.servers import Serving, serving

DISK = SystemDisk()


def backing_up(server: Serving, target: Path) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "openmessaging.cli", "backup", str(target), "--url", server.url, "--json"]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Load:
    """Messages sent and acknowledged as fast as it goes, in a thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent = 0
        """Acknowledged so far."""
        self.stop = threading.Event()
        self.moving = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        with blocking.connect(self.url) as access_point, access_point.create_producer() as producer:
            while not self.stop.is_set():
                producer.send([producer.create_message("orders", b"%d" % (self.sent + each)) for each in range(20)])
                self.sent += 20
                self.moving.release()

    def __enter__(self) -> "Load":
        self.thread.start()
        for _ in range(20):
            assert self.moving.acquire(timeout=20)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(20)


def bodies(directory: Path) -> set[bytes]:
    with (
        blocking.connect(f"oms:embedded://{directory}") as access_point,
        access_point.create_pull_consumer("orders", group="all") as consumer,
    ):
        found: set[bytes] = set()
        while messages := consumer.batch_receive(1_000, timeout=0.2):
            found |= {message.data for message in messages}
            for message in messages:
                message.ack()
        return found


def test_what_was_acknowledged_before_it_began_is_in_it(tmp_path: Path) -> None:
    with (
        serving(f"oms:embedded://{tmp_path}/store", {"flush": "never", "segment_bytes": 1 << 17}) as server,
        Load(server.url) as load,
    ):
        for number in range(3):
            before = load.sent
            process = backing_up(server, tmp_path / "backup")
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert load.sent > before, "nobody waited for the backup"
            where = tmp_path / f"restored{number}"
            restored = restore_backup(
                DISK, str(tmp_path / "backup"), str(where), after_index(1 << 60), lambda done, total: None
            )
            assert digest_of(DISK, str(where)) == restored.expected == json.loads(out)["digest"]
            assert {b"%d" % body for body in range(before)} <= bodies(where)


def test_one_that_is_killed_leaves_none_or_the_last(tmp_path: Path) -> None:
    target = tmp_path / "backup"
    with serving(f"oms:embedded://{tmp_path}/store", {"flush": "never", "segment_bytes": 1 << 17}) as server:
        with Load(server.url):
            for _ in range(6):
                seen = manifest_of(DISK, str(target)).points[-1].index if (target / "backup.json").exists() else -1
                process = backing_up(server, target)
                asyncio.run(until_growing(target, process))
                process.kill()
                process.communicate(timeout=20)
                try:
                    manifest = manifest_of(DISK, str(target))
                except OMSRuntimeException as failure:
                    assert failure.code == 1418
                    assert seen == -1
                    continue
                assert manifest.points[-1].index >= seen
                where = tmp_path / f"restored{manifest.points[-1].index}-{os.urandom(2).hex()}"
                restored = restore_backup(
                    DISK, str(target), str(where), after_index(manifest.points[-1].index), lambda done, total: None
                )
                assert digest_of(DISK, str(where)) == restored.expected
        process = backing_up(server, target)
        assert process.wait(60) == 0, "the next one goes on"


async def until_growing(target: Path, process: "subprocess.Popen[str]") -> None:
    """Return once a segment has been begun or has grown, or the backup is done."""
    before = grown(target)
    while grown(target) == before and process.poll() is None:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


def grown(target: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in (target / "log").glob("*.seg")]
    return len(sizes), sum(sizes)


def test_two_at_once_into_one_directory(tmp_path: Path) -> None:
    from openmessaging.storage.lock import StoreLock

    (tmp_path / "backup").mkdir()
    lock = StoreLock.acquire(str(tmp_path / "backup"))
    with serving(f"oms:embedded://{tmp_path}/store") as server:
        _, err = backing_up(server, tmp_path / "backup").communicate(timeout=60)
    lock.release()
    assert json.loads(err)["error"]["code"] == 1503
