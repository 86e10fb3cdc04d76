from tests.durability.handover import run


def test_the_holder_ends_again_and_again():
    verdict = run(rounds=4, processes=3, seed=1)
    assert not verdict.errors
    assert len(verdict.pauses) == 8
    assert verdict.sent
