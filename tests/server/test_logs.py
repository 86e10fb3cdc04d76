"""Lines of the log."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from openmessaging.server.logs import LogSection, configure

LOGGER = logging.getLogger("openmessaging.server")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger("openmessaging")
    before: tuple[Any, ...] = root.handlers, root.propagate, root.level
    yield
    root.handlers, root.propagate, root.level = before


def written(section: LogSection, log: Any) -> list[str]:
    stream = io.StringIO()
    configure(section, stream)
    log()
    return stream.getvalue().splitlines()


def failing() -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        LOGGER.exception("it failed")


def test_an_object_a_line() -> None:
    (line,) = written(LogSection("json"), lambda: LOGGER.info("hello %s", "a\nb", extra={"fields": {"user": "u"}}))
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {"level": "info", "logger": "openmessaging.server", "message": "hello a\nb", "user": "u"}
    (line,) = written(LogSection("json"), failing)
    assert "ValueError: bad" in json.loads(line)["exception"]


def test_a_client_cannot_write_lines_of_its_own() -> None:
    (line,) = written(LogSection(), lambda: LOGGER.info("%s is gone", "x\n2026 ERROR \x1b[0mfake"))
    assert line.endswith(r"INFO openmessaging.server: x\n2026 ERROR \x1b[0mfake is gone")
    assert written(LogSection(), failing)[-1] == "ValueError: bad"


def test_the_level_counts() -> None:
    assert written(LogSection(level="warning"), lambda: LOGGER.info("x")) == []
    assert len(written(LogSection(level="warning"), lambda: LOGGER.warning("x"))) == 1
