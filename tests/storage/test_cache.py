from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.cache import BlockCache, OpenFiles


def test_files_stay_usable_when_forgotten(disk: SimulatedDisk) -> None:
    disk.make_directory("/d")
    files = OpenFiles(disk, 2, writable=True)
    first = files.get("/d/a")
    first.write_at(0, [b"hello"])
    assert files.get("/d/a") is first
    files.get("/d/b")
    files.get("/d/c")
    assert files.get("/d/a") is not first
    assert first.read_at(0, 9) == b"hello"
    again = files.get("/d/a")
    files.forget("/d/a")
    assert files.get("/d/a") is not again
    files.clear()
    assert files.get("/d/a").read_at(0, 9) == b"hello"


def test_blocks_are_bounded_and_a_short_one_does_not_serve_more() -> None:
    cache = BlockCache(2)
    cache.put((0, 0), b"abc")
    assert cache.get((0, 0), 3) == b"abc"
    assert cache.get((0, 0), 4) is None
    cache.put((0, 1), b"d")
    cache.get((0, 0), 1)
    cache.put((0, 2), b"e")
    assert cache.get((0, 1), 1) is None
    assert cache.get((0, 0), 1) == b"abc"
    cache.forget((0, 0))
    cache.forget((0, 0))
    assert cache.get((0, 0), 1) is None
    cache.clear()
    assert cache.get((0, 2), 1) is None
