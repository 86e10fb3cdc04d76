"""Where the parts of servers on Java come from."""

from pathlib import Path

import pytest

from openmessaging.testing.servers.java import JavaServer
from openmessaging.testing.servers.server import Missing


class Jars(JavaServer):
    name = "jars"
    artifacts = ("a.group:part:1.0", "a.group:other:2.0")
    memory = ("-Xmx64m",)
    asked: list[tuple[str, ...]]

    @classmethod
    def _maven(cls, goal: str, *options: str) -> None:
        cls.asked.append((goal, *options))
        place = next(option for option in options if option.startswith("-DoutputDirectory="))
        Path(place.partition("=")[2], "part.jar").write_text("")

    def launch(self) -> None:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Jars.asked = []
    return tmp_path


def test_parts_are_fetched_once(cache: Path) -> None:
    home = Jars.fetched()
    assert home.is_relative_to(cache)
    assert [path.name for path in home.iterdir()] == ["part.jar"]
    assert Jars.fetched() == home
    assert [goal for goal, *_ in Jars.asked] == ["copy-dependencies"]
    assert list(home.parent.iterdir()) == [home]


def test_other_versions_have_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Jars.home()
    monkeypatch.setattr(Jars, "artifacts", ("a.group:part:1.1", "a.group:other:2.0"))
    assert Jars.home() != before


def test_without_maven_what_is_there_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def program(name: str) -> str:
        if name == "mvn":
            raise Missing("mvn is not installed")
        return name

    monkeypatch.setattr(Jars, "program", staticmethod(program))
    with pytest.raises(Missing, match="mvn"):
        Jars.require()
    Jars.fetched()
    Jars.require()
    assert Jars(tmp_path).java("Main", "-x")[-2:] == ["Main", "-x"]


def test_what_maven_cannot_fetch_is_missing_with_its_words() -> None:
    class Broken(JavaServer):
        name = "broken"
        artifacts = ("openmessaging.nowhere:nothing:0.0.0",)
        memory = ()

        @classmethod
        def program(cls, name: str) -> str:
            return "false"

        launch = Jars.launch
        answers = Jars.answers

    with pytest.raises(Missing, match="broken could not be fetched"):
        Broken.fetched()
