"""Finding drivers by entry point, those of other packages too."""

import sys
from pathlib import Path

import pytest

from openmessaging.blocking import connect
from openmessaging.drivers.embedded import driver
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.drivers import BUILT_IN, GROUP, find_factory

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that brings drivers."""
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\nelsewhere = elsewhere:driver\nbroken = elsewhere:nothing\nclosed = elsewhere:closed\n"
    )
    (tmp_path / "elsewhere.py").write_text(
        "from openmessaging.drivers.embedded import driver\n"
        "class closed:\n"
        "    async def open(access_point, attributes):\n"
        "        raise ConnectionError('nobody listens')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("elsewhere", None)


def test_built_in_drivers_are_those_that_the_package_declares() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    declared = text.split(f'[project.entry-points."{GROUP}"]')[1].split("\n\n")[0].split("\n")[1:]
    assert {line.split(" = ")[0]: line.split('"')[1] for line in declared if line} == BUILT_IN
    assert find_factory("embedded") is driver


@pytest.mark.usefixtures("elsewhere")
def test_a_driver_of_another_package_is_found() -> None:
    assert find_factory("elsewhere") is driver


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unheard", "Installed are: broken, closed, elsewhere, embedded, http, https, kafka, memory"),
        ("broken", "cannot be loaded"),
        ("closed", "nobody listens"),
    ],
)
def test_what_cannot_be_had_is_said(name: str, words: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        connect(f"oms:{name}://host/region").startup()
    assert caught.value.code == 10000
    assert words in str(caught.value)


def test_the_attribute_names_an_implementation() -> None:
    assert find_factory("unheard", "openmessaging.drivers.embedded:driver") is driver
    assert find_factory("embedded", "io.openmessaging.embedded.MessagingAccessPointImpl") is driver
    for wrong in ("openmessaging.nowhere:driver", "openmessaging.drivers.embedded:nothing"):
        with pytest.raises(OMSRuntimeException, match="DRIVER_IMPL") as caught:
            find_factory("embedded", wrong)
        assert caught.value.code == 10000
