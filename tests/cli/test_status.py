"""`oms status` against a node that answers HTTP."""

import json
import uuid
from collections.abc import Iterator

import pytest

from openmessaging import blocking
from openmessaging.cli.root import main, run
from openmessaging.cli.status import parse
from tests.servers import Serving, serving


@pytest.fixture
def node() -> Iterator[Serving]:
    with serving(f"oms:memory:{uuid.uuid4().hex}", http={"listen": "127.0.0.1:0"}) as running:
        yield running


def test_what_is_behind_shows(node: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    with blocking.connect(node.url) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("orders", b"x") for _ in range(3)])
        with access_point.create_pull_consumer("orders", group="g", prefetch=1) as consumer:
            message = consumer.receive(timeout=5)
            assert message is not None
            message.ack()
            consumer.flush()
        assert run(main, ["status", node.http, "--seconds", "0.1"]) == 0
        shown = capsys.readouterr().out
        assert run(main, ["status", f"{node.http}/", "--seconds", "0.1", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    lines = [line.split() for line in shown.splitlines()]
    assert ["ready", "yes"] in lines
    assert lines[-1][:4] == ["default://orders", "g", "2", "0"]
    assert (found["queues"][0]["queue"], found["queues"][0]["messages"]) == ("default://orders", 3)
    assert found["groups"][0]["lag"] == 2
    assert found["server"]["connections"] == "1 native, 1 http"


def test_ready_or_not(node: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_SERVE_HTTP_LISTEN", f"0.0.0.0:{node.http.rpartition(':')[2]}")
    assert run(main, ["status", "--ready"]) == 0
    node.node.draining = True
    assert run(main, ["status", "--ready"]) == 1
    node.node.draining = False
    assert capsys.readouterr().err == "it is stopping\n"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "give the URL"),
        (["orders"], 2, "is no address of a server"),
        (["http://127.0.0.1:1"], 1, "Check that the server is running"),
    ],
)
def test_no_server(arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["status", *arguments]) == code
    assert text in capsys.readouterr().err


def test_what_a_server_refuses_is_told(node: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["status", f"{node.http}/v1"]) == 1
    assert "there is nothing at /v1/readyz" in capsys.readouterr().err


def test_labels_are_read() -> None:
    text = '# HELP a b\na{queue="x\\"y",group="z"} 2.5\nb 1\n'
    assert parse(text) == {("a", 'x\\"y', "z"): 2.5, ("b",): 1.0}
