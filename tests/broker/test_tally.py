"""Counts of what groups are handed and settle."""

from pathlib import Path

from openmessaging.broker.group import Group
from openmessaging.broker.tally import Tally
from tests.broker.stores import Client, open_client, simulated


def counted(client: Client, group: Group) -> tuple[int, int, int, int]:
    assert client.runner.tally is not None
    client.runner.flush()  # acknowledgements wait for the next entry
    count = client.runner.tally.by_group[group.id]
    return count.received, count.redelivered, count.acknowledged, count.dead


def opened(tmp_path: Path) -> Client:
    client = open_client(tmp_path, disk=simulated())
    client.runner.tally = Tally()
    return client


def test_deliveries_and_acknowledgements(tmp_path: Path) -> None:
    client = opened(tmp_path)
    client.send(*"abcde")
    group = client.join()
    other = client.join("other")
    (delivery,) = client.fetch(group, 3)
    assert counted(client, group) == (3, 0, 0, 0)
    client.ack(group, delivery, [0, 2])
    assert counted(client, group) == (3, 0, 2, 0)
    client.nack(group, delivery)
    assert client.receive(group, 1) == ["b"]
    assert counted(client, group) == (4, 1, 3, 0)
    client.fetch(other)
    assert (counted(client, group), counted(client, other)) == ((4, 1, 3, 0), (5, 0, 0, 0))


def test_all_that_is_left_of_a_lease(tmp_path: Path) -> None:
    client = opened(tmp_path)
    client.send(*"abc")
    group = client.join()
    (delivery,) = client.fetch(group)
    client.ack(group, delivery, [1])
    client.runner.ack(group.id, delivery.lease_id, None)
    assert counted(client, group) == (3, 0, 3, 0)


def test_dead_letters_are_not_acknowledged(tmp_path: Path) -> None:
    client = opened(tmp_path)
    client.send(*"abc")
    group = client.join(max_delivery=1)
    for number in range(3):  # the first makes the queue, the others find it
        (delivery,) = client.fetch(group, 1)
        client.nack(group, delivery)
        assert counted(client, group) == (number + 1, 0, 0, number + 1)
