"""Backups of the simulated broker, and bugs that its seeds must find."""

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.backups import BackupRun, main
from openmessaging.storage import backup


def runs() -> list[BackupRun]:
    runs = [BackupRun(seed) for seed in range(10)]
    for run in runs:
        run.run()
    return runs


def test_every_moment_comes_back() -> None:
    done = runs()
    assert sum(run.restored for run in done) > 100
    assert sum(run.killed for run in done)
    assert any(run.store.runner.storage.min_index() > 0 for run in done), "segments were given up"
    assert any(len(run.targets) > 1 for run in done), "some of them before they were backed up"


def plant_manifest_before_its_segments(patch: pytest.MonkeyPatch) -> None:
    sign = backup._sign
    original = backup._check_continues

    def check(manifest, plan, read):
        original(manifest, plan, read)
        if manifest.points and manifest.points[-1].index < plan.index:
            manifest.points.append(backup.Point(plan.index, plan.position, plan.time_ms, plan.digest))
            sign(*disks[-1], manifest)  # before anything was copied

    begun = backup._begun
    disks = []

    def remember(disk, directory):
        disks.append((disk, directory))
        return begun(disk, directory)

    patch.setattr(backup, "_begun", remember)
    patch.setattr(backup, "_check_continues", check)


def plant_first_index_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = backup._sign

    def sign(disk, directory, manifest):
        manifest.first_index = -1
        original(disk, directory, manifest)

    patch.setattr(backup, "_sign", sign)


@pytest.mark.parametrize("plant", [plant_manifest_before_its_segments, plant_first_index_forgotten])
def test_a_planted_bug_is_caught(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, OMSRuntimeException)):
        runs()


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    from openmessaging.simulation import broker

    assert broker.main(["--seeds", "2"], BackupRun) == 0
    assert main is broker.main
    assert "2 seeds, 0 failed" in capsys.readouterr().out
