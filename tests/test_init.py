"""`import openmessaging` is quick: it loads nothing but itself, and every public name when it is first used."""

import json
import subprocess
import sys

import pytest

import openmessaging
from openmessaging import blocking


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement adds to a bare interpreter."""
    code = (
        f"import sys, json; before = set(sys.modules); {statement}; print(json.dumps([*(set(sys.modules) - before)]))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(json.loads(output))


def test_the_import_loads_nothing_else() -> None:
    loaded = loaded_by("import openmessaging")
    assert {name for name in loaded if name.startswith("openmessaging")} == {"openmessaging"}
    assert not loaded & {"asyncio", "msgspec", "typing_extensions", "google_crc32c", "concurrent.futures"}
    assert len(loaded) < 40


def test_the_blocking_face_needs_no_event_loop() -> None:
    statement = "from openmessaging.blocking import connect, Producer, PullConsumer, PushConsumer"
    assert "openmessaging.runtime.aio" not in loaded_by(statement)


@pytest.mark.parametrize("module", [openmessaging, blocking])
def test_every_public_name_is_there(module) -> None:
    assert sorted(module.__all__) == module.__all__ == dir(module)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = module.nothing_of_this_name


def test_both_faces_have_the_same_names() -> None:
    for name in blocking.__all__:
        theirs, ours = getattr(blocking, name), getattr(openmessaging, name)
        if isinstance(theirs, type) and name != "Future":
            public = {each for each in dir(ours) if not each.startswith("_")}
            assert {each for each in dir(theirs) if not each.startswith("_")} == public
    assert blocking.Message is openmessaging.Message
