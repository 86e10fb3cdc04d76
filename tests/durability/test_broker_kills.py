from tests.durability.broker_kills import run


def test_broker_producer_and_consumer_are_killed():
    verdict = run(rounds=6, seed=1)
    assert verdict.errors == []
    assert verdict.sent
    assert verdict.on_disk
