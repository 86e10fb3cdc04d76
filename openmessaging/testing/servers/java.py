"""Systems that run on Java: their parts come from the Maven repository, once, into the user's cache directory."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import platformdirs

from openmessaging.testing.servers.server import Missing, Server

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
"""Named with its version: what Maven takes otherwise depends on Maven's own."""
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>openmessaging</groupId>
  <artifactId>server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
DEPENDENCY = "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
FETCH_SECONDS = 900
QUICK_START = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.net.preferIPv4Stack=true"]


class JavaServer(Server):
    """A server that is started with `java`: say its `artifacts` and `memory`."""

    artifacts: ClassVar[tuple[str, ...]]
    """`group:artifact:version` of jars that are fetched with all that they need; with `:type:classifier` an archive,
    which is fetched alone and unpacked."""
    memory: ClassVar[tuple[str, ...]]
    """The limits of the heap, as options of Java."""
    ready_within: ClassVar[float] = 120.0
    programs: ClassVar[Mapping[str, str]] = {
        "java": "apt-get install default-jre-headless",
        "mvn": "apt-get install maven",
    }

    @classmethod
    def home(cls) -> Path:
        """Where its parts are, or will be: another place for other versions."""
        key = hashlib.sha256("\n".join(cls.artifacts).encode()).hexdigest()[:16]
        return platformdirs.user_cache_path("openmessaging") / "servers" / f"{cls.name}-{key}"

    @classmethod
    def require(cls) -> None:
        """Java, and Maven unless all has been fetched before."""
        cls.program("java")
        if not cls.home().exists():
            cls.program("mvn")

    @classmethod
    def fetched(cls) -> Path:
        """Where its parts are, fetched at the first time. Raises Missing."""
        home = cls.home()
        if home.exists():
            return home
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="part-", dir=home.parent) as part:
            cls._fetch(Path(part))
            try:
                (Path(part) / "parts").rename(home)
            except OSError:  # somebody else was quicker
                if not home.exists():
                    raise
        return home

    @classmethod
    def _fetch(cls, work: Path) -> None:
        parts = work / "parts"
        parts.mkdir()
        jars = [artifact.split(":") for artifact in cls.artifacts if artifact.count(":") == 2]
        if jars:
            pom = work / "pom.xml"
            pom.write_text(POM.format(dependencies="\n".join(DEPENDENCY.format(*jar) for jar in jars)))
            cls._maven("copy-dependencies", "-f", str(pom), "-DincludeScope=runtime", f"-DoutputDirectory={parts}")
        for archive in (artifact for artifact in cls.artifacts if artifact.count(":") > 2):
            cls._maven("copy", f"-Dartifact={archive}", f"-DoutputDirectory={work}")
            for packed in work.glob("*.zip"):
                shutil.unpack_archive(packed, parts)
            for packed in work.glob("*.tar.gz"):
                shutil.unpack_archive(packed, parts, filter="data")

    @classmethod
    def _maven(cls, goal: str, *options: str) -> None:
        command = [cls.program("mvn"), "-B", "-q", f"{PLUGIN}:{goal}", *options]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=FETCH_SECONDS, text=True)  # noqa: S603
        except subprocess.CalledProcessError as error:
            raise Missing(f"{cls.name} could not be fetched with Maven: {error.stdout[-500:]}") from None
        except subprocess.TimeoutExpired:
            raise Missing(f"{cls.name} could not be fetched with Maven in {FETCH_SECONDS} s") from None

    def java(self, main: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """The command that runs a class of it; what lies in the folder comes before the jars."""
        classes = os.pathsep.join([str(self.folder), *self.class_path()])
        return [self.program("java"), *QUICK_START, *self.memory, *options, "-cp", classes, main, *arguments]

    @classmethod
    def class_path(cls) -> list[str]:
        """Where Java finds its classes."""
        return [f"{cls.fetched()}/*"]
