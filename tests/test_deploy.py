"""What stands in deploy/: the sample configuration, the unit and the image say what the server understands."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openmessaging.server.config import Config, load, options

DEPLOY = Path(__file__).parent.parent / "deploy"


def unit() -> dict[str, list[tuple[str, str]]]:
    parser = configparser.RawConfigParser(strict=False, comment_prefixes="#", delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    text = (DEPLOY / "openmessaging.service").read_text()
    parser.read_string(re.sub(r"^Environment=(\w+)=", r"Environment:\1=", text, flags=re.MULTILINE))
    return {name: parser.items(name) for name in parser.sections()}


def test_the_sample_is_the_default_when_its_comments_are_taken_away() -> None:
    text = (DEPLOY / "oms.toml").read_text()
    assert load(text, "oms.toml", {}) == Config()
    bare, count = re.subn(r"^#(\w+ =)", r"\1", text, flags=re.MULTILINE)
    assert load(bare, "oms.toml", {}) == Config()
    assert count == len(list(options()))


def test_the_unit_sets_what_there_is() -> None:
    service = unit()["Service"]
    given = {name.removeprefix("Environment:"): value for name, value in service if name.startswith("Environment:")}
    load("", "", given)
    settings = dict(service)
    assert settings["Type"] == "notify"
    config = Config()
    assert float(settings["TimeoutStopSec"]) > config.shutdown.delay + config.shutdown.grace + 10


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "openmessaging.service").read_text().replace("/usr/local/bin/oms", sys.executable)
    (tmp_path / "openmessaging.service").write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "openmessaging.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    told = [line for line in done.stderr.splitlines() if "openmessaging.service" in line]
    assert told == []


def test_the_image_is_run_by_no_root_and_sets_what_there_is() -> None:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    variables = dict(re.findall(r"(OMS_SERVE_\w+)=(\S+)", text))
    config = load("", "", variables)
    assert config.store.path.startswith("/var/lib/openmessaging/")
    last = text.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\S+)", last, re.MULTILINE) == ["10001"]
    assert re.search(r"^VOLUME /var/lib/openmessaging$", last, re.MULTILINE)
    ports = re.findall(r"^EXPOSE (\d+) (\d+)$", last, re.MULTILINE)
    assert ports == [(config.listen.tcp.rpartition(":")[2], config.http.listen.rpartition(":")[2])]
