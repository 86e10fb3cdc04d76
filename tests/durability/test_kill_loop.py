from tests.durability.kill_loop import run


def test_kill_nine_loses_nothing_and_repeats_nothing_settled():
    ledger = run(kills=12, seed=20261125)
    assert ledger.errors == []
    assert ledger.sent
    assert ledger.acknowledged
