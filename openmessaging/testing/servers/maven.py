"""Jars of servers from Maven repositories, fetched once and kept outside the project: `jars` of exact versions."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from openmessaging.testing.servers.server import Missing

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_WITHIN = 900.0


def java() -> str:
    """The program that runs them. Raises Missing."""
    return _program("java", "default-jre-headless")


def jars(*artifacts: str, without: tuple[str, ...] = ()) -> Path:
    """A directory with the jars of `group:name:version[:type]` and of all they need but `group:name`s in `without`.

    It is below `OMS_JARS`, else the user's cache, named by what is in it; the first call fetches. Raises Missing.
    """
    pom = _pom(artifacts, without)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("OMS_JARS") or cache / "openmessaging" / "jars")
    kept = root / hashlib.sha256(pom.encode()).hexdigest()[:16]
    if not kept.exists():
        maven = _program("mvn", "maven")
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as folder:
            lib = Path(folder) / "lib"
            (Path(folder) / "pom.xml").write_text(pom)
            command = [maven, "-B", "-q", "-f", f"{folder}/pom.xml", _PLUGIN]
            options = ["-DincludeScope=runtime", f"-DoutputDirectory={lib}"]
            done = subprocess.run(  # noqa: S603 - commands of ours
                [*command, *options], capture_output=True, text=True, timeout=_FETCH_WITHIN
            )
            if done.returncode:
                raise Missing(f"{', '.join(artifacts)} cannot be fetched: {done.stdout[-1000:]}{done.stderr[-500:]}")
            if not kept.exists():  # another process may have been quicker
                lib.rename(kept)
    return kept


def _program(name: str, package: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise Missing(f"{name} is not installed; try `apt-get install {package}`")
    return program


def _pom(artifacts: tuple[str, ...], without: tuple[str, ...]) -> str:
    left_out = "".join(f"<exclusion>{_place(each)}</exclusion>" for each in without)
    exclusions = f"<exclusions>{left_out}</exclusions>" if without else ""
    needed = "\n".join(f"    <dependency>{_place(each)}{exclusions}</dependency>" for each in artifacts)
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0">\n'
        "  <modelVersion>4.0.0</modelVersion>\n"
        "  <groupId>servers</groupId><artifactId>server</artifactId><version>1</version><packaging>pom</packaging>\n"
        f"  <dependencies>\n{needed}\n  </dependencies>\n"
        "</project>\n"
    )


def _place(artifact: str) -> str:
    """Elements that name it."""
    names = ("groupId", "artifactId", "version", "type")
    return "".join(f"<{name}>{escape(part)}</{name}>" for name, part in zip(names, artifact.split(":"), strict=False))
