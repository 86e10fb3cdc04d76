"""The program that sends flights from system to system, over our own two; real systems are for who calls it."""

import pytest

from tests.durability import mirror_chain


@pytest.mark.timeout(120)
def test_a_short_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert mirror_chain.main(["oms", "embedded", "--count", "4000"]) == 0
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == ["identical", "identical"]


def test_it_ends_when_its_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert mirror_chain.main(["embedded", "--count", "100", "--seconds", "0"]) == 1
    assert "the time is over" in capsys.readouterr().out
