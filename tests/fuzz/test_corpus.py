"""Every input that a fuzzer has found worth keeping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.edges import Edge

CORPUS = Path(__file__).with_name("corpus")


@pytest.fixture
def edge() -> Iterator[Edge]:
    edge = Edge()
    yield edge
    edge.close()


@pytest.mark.parametrize("name", ["native", "greeting", "http"])
def test_no_input_makes_the_server_fail(edge: Edge, name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    answers = [getattr(edge, name)(each.read_bytes()) for each in inputs]
    assert sum(map(bool, answers)) > len(answers) // 10, "the edge does not answer: nothing is tested"


def test_the_edges_are_real(edge: Edge) -> None:
    assert edge.http(b"\xffGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert edge.native(b"\xff")[4] == 2, "WELCOME"
