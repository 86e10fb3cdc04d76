"""Bits that flip between runs: bugs that the seeds must find. Without one the seeds run in `test_broker.py`."""

from functools import partial

import pytest

from openmessaging.simulation import consumers, rot
from openmessaging.simulation.broker import run_seed
from openmessaging.storage import index_file, opening, snapshot


def plant_index_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(index_file, "_extend", lambda seed, data: 0)


def plant_snapshot_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(snapshot, "check_snapshot", lambda data, index, path: None)


def plant_batch_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(consumers, "decode", partial(consumers.decode, check=False))


def plant_damage_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        opening, "judge", lambda read, segment, found: opening.Cut(segment.path, found.position, found.next_index, 1)
    )


def plant_damage_without_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(consumers.OMSRuntimeException, "located", lambda self, place: self)


@pytest.mark.parametrize(
    "plant",
    [
        plant_index_believed,
        plant_snapshot_believed,
        plant_batch_believed,
        plant_damage_cut,
        plant_damage_without_place,
    ],
)
def test_a_planted_bug_is_caught(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(run_seed(seed)[2] is not None for seed in range(100))


def test_damage_is_met_and_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: set[bool] = set()
    real = rot._take_all

    def noted(*arguments):
        told = real(*arguments)
        outcomes.add(bool(told))
        return told

    monkeypatch.setattr(rot, "_take_all", noted)
    for seed in range(10):
        assert run_seed(seed)[2] is None
    assert outcomes == {True, False}
