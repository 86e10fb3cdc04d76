from tests.durability.mixed_faces import run, verdict


def test_threads_and_tasks_share_a_store():
    tally = run(seconds=3, threads=16, tasks=16)
    assert verdict(tally) == []
    assert tally.sent
