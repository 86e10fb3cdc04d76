"""The production storage under a simulated disk: 50 seeds here, as many as wanted by `python -m`."""

import pytest

from openmessaging.simulation import storage
from openmessaging.simulation.disk import SimulatedDisk, SimulatedFile
from openmessaging.storage import opening
from openmessaging.storage.log import Log


@pytest.mark.parametrize("first", range(0, 50, 10))
def test_nothing_acknowledged_is_lost(first: int) -> None:
    for seed in range(first, first + 10):
        _, run, failure = storage.run_seed(seed)
        assert failure is None, f"seed {seed}: {failure}; faults: {run and run.faults}"


@pytest.mark.parametrize("seed", [3, 7])
def test_a_seed_gives_one_run(seed: int) -> None:
    first, run, _ = storage.run_seed(seed)
    second, _, _ = storage.run_seed(seed)
    assert first == second != ""
    assert run is not None
    assert len(run.faults) > 0


def plant_unsynced_flush(patch: pytest.MonkeyPatch) -> None:
    def write_only(self: SimulatedFile, position: int, parts: list[bytes]) -> None:
        self.write_at(position, parts)

    patch.setattr(SimulatedFile, "write_durable", write_only)


def plant_names_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimulatedDisk, "sync_directory", lambda self, path: None)


def plant_tail_not_written_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(opening, "_write_again", lambda file, segment, found: None)


def plant_tail_always_cut(patch: pytest.MonkeyPatch) -> None:
    real = opening.judge

    def lenient(read, segment, found):
        try:
            return real(read, segment, found)
        except storage.OMSRuntimeException:
            return opening.Cut(segment.path, found.position, found.next_index, 1)

    patch.setattr(opening, "judge", lenient)


def plant_forgotten_poison(patch: pytest.MonkeyPatch) -> None:
    real = Log.flush

    def flush(self: Log, *, sync: bool = True) -> int:
        try:
            return real(self, sync=sync)
        except storage.OMSRuntimeException:
            self._poison = None
            return self.max_index()

    patch.setattr(Log, "flush", flush)


@pytest.mark.parametrize(
    "plant",
    [
        plant_unsynced_flush,
        plant_names_not_synced,
        plant_tail_not_written_again,
        plant_tail_always_cut,
        plant_forgotten_poison,
    ],
)
def test_a_planted_bug_is_caught(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(storage.run_seed(seed)[2] is not None for seed in range(200))


def test_the_runner_tells_seed_faults_and_calls(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert storage.main(["--seeds", "2"]) == 0
    assert capsys.readouterr().out == "2 seeds, 0 failed\n"
    assert storage.main(["--seed", "1"]) == 0
    assert "seed 1: right; trace " in capsys.readouterr().out

    def lose(self: storage.StorageRun, twin: SimulatedDisk) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(storage.StorageRun, "_check_damaged", lose)
    monkeypatch.setattr(storage.StorageRun, "_append", storage.StorageRun._flip)
    assert storage.main(["--seed", "2"]) == 1
    shown = capsys.readouterr().out
    assert "seed 2: AssertionError: a bug; faults: " in shown
    assert "flip\n" in shown
    assert "\nsync /store/log\n" in shown
