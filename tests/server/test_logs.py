"""Lines of the log."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from openmessaging import blocking
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.logs import LogSection, configure
from tests.server.security.helpers import add_user
from tests.servers import serving

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


def test_keys_are_not_logged(tmp_path: Path) -> None:
    """Not of who comes in, not of who is turned away, natively or over HTTP; at the level that says most."""
    users = tmp_path / "users.json"
    key = add_user(users, "alice", "send default://*")
    wrong = key[:-4] + "xxxx"
    stream = io.StringIO()
    configure(LogSection("json", "debug"), stream)
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}, security={"users": str(users)}) as node:
        for shown, status in ((key, 200), (wrong, 401)):
            url = f"{node.http}/v1/queues?namespace=default"
            assert httpx.get(url, headers={"authorization": f"Bearer {shown}"}).status_code == status
            with contextlib.suppress(OMSRuntimeException), blocking.connect(node.url, {"ACCOUNT_KEY": shown}) as point:
                point.resource_manager().list_queues("default")
    written = stream.getvalue()
    assert written.count("openmessaging.audit") >= 2
    assert key not in written
    assert wrong not in written
