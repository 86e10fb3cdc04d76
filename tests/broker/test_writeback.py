import threading

from tests.broker.stores import open_client

THREAD = "openmessaging-writeback"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def test_what_was_written_goes_to_the_disk_beside_the_senders(tmp_path, monkeypatch):
    monkeypatch.setattr("openmessaging.storage.log.WRITE_BACK_BYTES", 1000)
    client = open_client(tmp_path, upkeep=True, flush="never")
    storage = client.runner.storage
    written = threading.Semaphore(0)
    write_back = storage.write_back

    def counted():
        write_back()
        written.release()

    monkeypatch.setattr(storage, "write_back", counted)
    client.send("a")
    before = threads()
    for _ in range(2):
        client.send(bytes(1000))
        assert written.acquire(timeout=10)
    assert (before, len(threads())) == ([], 1), "there is a thread once there is something to do"
    client.close()
    assert threads() == []


def test_a_store_that_syncs_by_itself_has_no_such_thread(tmp_path, monkeypatch):
    monkeypatch.setattr("openmessaging.storage.log.WRITE_BACK_BYTES", 1000)
    client = open_client(tmp_path, upkeep=True)
    for _ in range(3):
        client.send(bytes(1000))
    assert threads() == []
    client.close()
