import time
from typing import Any

import pytest

from openmessaging import blocking as oms
from openmessaging.cli.letters import Mover, Redrive, letters
from tests.cli.conftest import Oms


def test_a_rate_is_kept(oms_cli: Oms) -> None:
    oms_cli.bury(5)
    with oms.connect(oms_cli.url) as access_point:
        job = Redrive(access_point, "orders", "billing", None)
        began = time.monotonic()
        seen: list[int] = []
        assert job.run(4, 20.0, seen.append) == 4
        assert time.monotonic() - began >= 3 / 20
        assert seen == [1, 1, 1, 1]
        assert len(list(letters(access_point, "orders", "billing"))) == 1


def test_what_dies_again_meanwhile_is_left(oms_cli: Oms) -> None:
    oms_cli.bury(2)
    with oms.connect(oms_cli.url) as access_point:
        job = Redrive(access_point, "orders", "billing", None)

        def bury_again(_: int) -> None:
            with access_point.create_pull_consumer("orders", "billing") as consumer:
                for message in consumer.batch_receive(timeout=1):
                    message.nack(reason="again")

        assert job.run(job.waiting, 1_000.0, bury_again) == 2
        assert len(list(letters(access_point, "orders", "billing"))) == 2


def test_fewer_than_asked_for(oms_cli: Oms) -> None:
    oms_cli.bury(1)
    with oms.connect(oms_cli.url) as access_point:
        assert Redrive(access_point, "orders", "billing", None).run(9, None, lambda _: None) == 1


def test_a_system_that_cannot_move_says_so(oms_cli: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    oms_cli.bury(1)
    with oms.connect(oms_cli.url) as access_point:
        job = Redrive(access_point, "orders", "billing", None)
        driver: Any = access_point.get_driver()
        subscription = driver.subscribe
        monkeypatch.setattr(type(subscription.__self__), "subscribe", lambda *_: object())
        assert not isinstance(object(), Mover)
        with pytest.raises(oms.OMSUnsupportException):
            job.run(1, None, lambda _: None)
