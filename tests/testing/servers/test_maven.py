"""What is fetched from Maven: which jars, from exact versions, kept for the next time."""

import os
import subprocess
from pathlib import Path

import pytest

from openmessaging.testing.servers import maven
from openmessaging.testing.servers.server import Missing

FETCH = """#!/bin/sh
for each in "$@"; do case $each in -DoutputDirectory=*) mkdir "${each#*=}" && cp "$4" "${each#*=}/pom.xml";; esac; done
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of programs in front of all others; what is fetched is kept beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMS_JARS", str(tmp_path / "jars"))
    return folder


def put(folder: Path, text: str) -> None:
    program = folder / "mvn"
    program.write_text(text)
    program.chmod(0o755)


def test_they_are_fetched_once(programs: Path) -> None:
    put(programs, FETCH)
    kept = maven.jars("a.b:c:1.0", "d:e:2:pom", without=("f:g",))
    pom = (kept / "pom.xml").read_text()
    assert "<groupId>a.b</groupId><artifactId>c</artifactId><version>1.0</version>" in pom
    assert "<version>2</version><type>pom</type>" in pom
    assert "<exclusion><groupId>f</groupId><artifactId>g</artifactId></exclusion>" in pom
    put(programs, "#!/bin/sh\nexit 1\n")
    assert maven.jars("a.b:c:1.0", "d:e:2:pom", without=("f:g",)) == kept
    with pytest.raises(Missing, match=r"a\.b:c:1\.1 cannot be fetched"):
        maven.jars("a.b:c:1.1")
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_without_the_programs_it_says_what_to_install(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(Missing, match="apt-get install maven"):
        maven.jars("a:b:1")
    with pytest.raises(Missing, match="default-jre-headless"):
        maven.java()


def test_java_is_found() -> None:
    try:
        program = maven.java()
    except Missing as reason:
        pytest.skip(str(reason))
    shown = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=True)
    assert "version" in shown.stderr
