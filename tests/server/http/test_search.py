"""Searching a queue over HTTP: the newest first, over all partitions, in steps."""

from __future__ import annotations

import httpx
import pytest

from openmessaging.server.http import search as module


@pytest.fixture
def filled(client: httpx.Client, queue: str) -> str:
    """Sixty messages in three partitions."""
    client.post("/v1/queues", json={"name": queue, "partitions": 3})
    for number in range(60):
        message = {
            "text": f"Number {number}",
            "messageKey": f"k{number % 7}",
            "partition": number % 3,
            "properties": {"n": number, "even": number % 2 == 0, "colour": "red", "half": number / 2 + 0.25},
        }
        assert client.post(f"/v1/queues/{queue}/messages", json=message).status_code == 200
    return queue


def search(client: httpx.Client, queue: str, **query: object) -> dict:
    answer = client.get(f"/v1/queues/{queue}/search", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(found: dict) -> list[int]:
    return [message["properties"]["n"] for message in found["messages"]]


def test_the_newest_come_first_and_a_search_goes_on(client: httpx.Client, filled: str) -> None:
    seen, before = [], ""
    while before is not None:
        found = search(client, filled, limit=25, before=before)
        assert len(found["messages"]) == found["lookedAt"] <= 25
        seen += found["messages"]
        before = found["next"]
    assert len(seen) == 60
    times = [message["storeTimestamp"] for message in seen]
    assert times == sorted(times, reverse=True)
    for partition in range(3):
        mine = [message["properties"]["n"] for message in seen if message["partition"] == partition]
        assert mine == sorted(mine, reverse=True)
        assert len(mine) == 20


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"key": "k3"}, [n for n in range(60) if n % 7 == 3]),
        ({"property": "n=12"}, [12]),
        ({"property": "even=true", "key": "k0"}, [0, 14, 28, 42, 56]),
        ({"property": "half=0.75"}, [1]),
        ({"property": "colour"}, list(range(60))),
        ({"property": "no-such"}, []),
        ({"text": "NUMBER 5"}, [5, *range(50, 60)]),
        ({"condition": "n > 57 AND even = TRUE"}, [58]),
        ({"condition": "header.messageKey = 'k1' AND n < 9"}, [1, 8]),
    ],
)
def test_all_that_is_given_must_be_fulfilled(client: httpx.Client, filled: str, query: dict, expected: list) -> None:
    found = search(client, filled, limit=100, **query)
    assert sorted(numbers(found)) == expected
    assert (found["lookedAt"], found["next"]) == (60, None)


def test_times_bound_it(client: httpx.Client, filled: str) -> None:
    whole = search(client, filled, limit=100)["messages"]
    middle = whole[30]["storeTimestamp"]
    late = search(client, filled, limit=100, fromMs=middle)
    early = search(client, filled, limit=100, untilMs=middle)
    assert all(message["storeTimestamp"] >= middle for message in late["messages"])
    assert all(message["storeTimestamp"] < middle for message in early["messages"])
    assert len(late["messages"]) + len(early["messages"]) == 60
    assert search(client, filled, fromMs=middle + 3_600_000)["lookedAt"] == 0


def test_a_request_takes_its_time_and_no_more(
    client: httpx.Client, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(module, "monotonic", lambda: next(clock))
    monkeypatch.setattr(module, "_SECONDS", 10)
    found = search(client, filled, property="no-such")
    assert found["lookedAt"] == 9
    assert sum(map(int, found["next"].split(","))) == 60 - 9


def test_large_messages_are_read_in_small_blocks(
    client: httpx.Client, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 10)
    assert sorted(numbers(search(client, filled, limit=100))) == list(range(60))


def test_a_compacted_queue_has_gaps(client: httpx.Client, queue: str) -> None:
    client.post("/v1/queues", json={"name": queue, "config": {"compact": True}})
    for number in range(40):
        client.post(f"/v1/queues/{queue}/messages", json={"text": str(number), "messageKey": f"k{number % 2}"})
    found = search(client, queue, limit=100)
    texts = [int(message["text"]) for message in found["messages"]]
    assert texts[:2] == [39, 38]
    assert texts == sorted(set(texts), reverse=True)


@pytest.mark.parametrize(
    "query", [{"before": "1,x"}, {"before": "1,2,3,4"}, {"condition": "n >"}, {"limit": 501}, {"fromMs": -1}, {"n": 1}]
)
def test_what_cannot_be_is_refused(client: httpx.Client, filled: str, query: dict) -> None:
    answer = client.get(f"/v1/queues/{filled}/search", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, 1418)


def test_a_queue_that_is_not_there(client: httpx.Client) -> None:
    assert client.get("/v1/queues/none/search").json()["code"] == 1404
