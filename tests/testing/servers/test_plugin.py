"""The plugin in runs of pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmessaging.testing.servers.plugin import address_of

ROOT = Path(__file__).parents[3]
TESTS = """
from openmessaging.testing.servers import Nats

def test_one(nats_server):
    assert isinstance(nats_server, Nats) and nats_server.answers()

def test_two(nats_server, pytestconfig):
    assert nats_server.answers()
"""
MISSING = """
from openmessaging.testing.servers import Kafka
Kafka.programs = {"java": "", "mvn": "buy it"}
Kafka.program = classmethod(lambda cls, name: Kafka.missing(name))

import pytest
from openmessaging.testing.servers import Missing

def missing(name):
    raise Missing(f"{name} is not installed; try `{Kafka.programs[name] or 'brew'}`")

Kafka.missing = missing

def test_one(kafka_server):
    pass

def test_two(kafka_server):
    pass

def test_three():
    pass
"""
GIVEN = """
def test_it(redis_server):
    assert redis_server.url == "oms:redis://127.0.0.1:{port}/mine"
    assert redis_server.answers()

def test_the_end(redis_server):
    redis_server.kill()

def test_a_pause(redis_server):
    redis_server.pause()
"""


def run(folder: Path, text: str, *options: str, ci: str = "", code: int = 0) -> str:
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "openmessaging.testing.servers.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-rs", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CI": ci},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_server_for_the_session(tmp_path: Path) -> None:
    assert "2 passed" in run(tmp_path, TESTS)


def test_what_is_missing_is_skipped_and_named_once(tmp_path: Path) -> None:
    text = run(tmp_path, MISSING)
    assert "1 passed, 2 skipped" in text
    assert text.count("\nreal server missing: kafka: java is not installed; try `brew`\n") == 1


def test_with_ci_it_fails(tmp_path: Path) -> None:
    text = run(tmp_path, MISSING, ci="1", code=1)
    assert "1 passed, 2 errors" in text
    assert text.count("\nreal server missing: kafka: java is not installed; try `brew`\n") == 1


def test_one_that_runs_already(tmp_path: Path, redis_server) -> None:
    given = f"--oms-server=redis=oms:redis://127.0.0.1:{redis_server.port}/mine"
    text = run(tmp_path, GIVEN.format(port=redis_server.port), given)
    assert "1 passed, 2 skipped" in text
    assert redis_server.answers()


@pytest.mark.parametrize("wrong", ["cassandra=oms:cassandra://localhost:1", "redis=oms:redis://localhost", "redis"])
def test_wrong_options(tmp_path: Path, wrong: str) -> None:
    assert "--oms-server" in run(tmp_path, TESTS, f"--oms-server={wrong}", code=4)


def test_addresses() -> None:
    assert address_of("oms:kafka://broker:9092/a?b=c") == ("broker", 9092)
    with pytest.raises(ValueError, match="no host and port"):
        address_of("oms:kafka:/a")
