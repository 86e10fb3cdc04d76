"""Every operation of the driver SPI: it stands in the table, and is allowed and forbidden by the right it needs."""

import asyncio
import inspect
from types import SimpleNamespace as Some
from typing import Any

import pytest

from openmessaging.model.errors import OMSSecurityException
from openmessaging.model.mail import Mailboxes
from openmessaging.model.spi import Driver
from openmessaging.server.security.audit import Audit
from openmessaging.server.security.grants import parse_grant
from openmessaging.server.security.guard import Guard, Openings
from openmessaging.server.security.identity import Identity
from openmessaging.server.security.operations import TABLE
from openmessaging.server.served import Driver as Served
from openmessaging.wire.operations import OPERATIONS

Q, G = "sales://orders", "kitchen"
BATCH = Some(destination=Q, batch=Some(count=1, payload=b"x"))
ROUTE = Some(name="sales://r", source=Q, targets=["sales://copies"])
EXAMPLES: dict[str, tuple[dict[str, Any], list[str]]] = {
    # operation: its arguments, and the grants that it needs: with all it is allowed, without any one it is forbidden
    "send": ({"batches": [BATCH, Some(destination="sales://b", batch=BATCH.batch)]}, [f"send {Q}", "send sales://b"]),
    "commit": ({"batches": [BATCH], "settlements": []}, [f"send {Q}"]),
    "submit": ({"batch": BATCH, "done": print}, [f"send {Q}"]),
    "ask": ({"batch": BATCH, "done": print}, [f"send {Q}"]),
    "send_now": ({"batch": BATCH}, [f"send {Q}"]),
    "find_sent": ({"batch": BATCH, "since_ms": 1}, [f"send {Q}"]),
    "hand_over": ({"handed": Some(destination=Q)}, [f"send {Q}"]),
    "partition_count": ({"destination": Q}, [f"receive {Q}/{G}"]),
    "open_producer": ({"name": "till"}, ["send sales://tills"]),
    "prepare": ({"preparation": Some(batch=BATCH)}, [f"send {Q}"]),
    "end_transaction": ({"transaction_id": "t", "commit": True}, ["send sales://prepared"]),
    "check_transactions": ({"producer": "p", "max_messages": 9}, ["send sales://asked"]),
    "subscribe": ({"spec": Some(destination=Q, group=G)}, [f"receive {Q}/{G}"]),
    "read": ({"destination": Q, "partition": 0, "offset": 0, "max_messages": 1}, [f"browse {Q}"]),
    "read_before": ({"destination": Q, "partition": 0, "offset": 0}, [f"browse {Q}"]),
    "find_time": ({"destination": Q, "partition": 0, "timestamp_ms": 0}, [f"browse {Q}"]),
    "peek": ({"queue": Q, "group": G, "max_messages": 1, "max_bytes": 1}, [f"browse {Q}/{G}"]),
    "open_view": ({"destination": Q}, [f"browse {Q}"]),
    "renew_view": ({"view_id": 7}, ["browse sales://seen"]),
    "close_view": ({"view_id": 7}, ["browse sales://seen"]),
    "create_namespace": ({"name": "sales"}, ["manage sales://*"]),
    "delete_namespace": ({"name": "sales"}, ["manage sales://*"]),
    "create_queue": (
        {"name": Q, "partitions": 1, "config": {"expired_queue": "late"}},
        [f"manage {Q}", "send sales://late"],
    ),
    "update_queue": ({"name": Q, "config": {"expired_queue": "b://late"}}, [f"manage {Q}", "send b://late"]),
    "delete_queue": ({"name": Q}, [f"manage {Q}"]),
    "purge_queue": ({"name": Q}, [f"manage {Q}"]),
    "describe_queue": ({"name": Q}, [f"look {Q}"]),
    "describe_group": ({"queue": Q, "group": G}, [f"look {Q}/{G}"]),
    "seek_group": ({"queue": Q, "group": G, "to": "latest"}, [f"manage {Q}/{G}"]),
    "delete_group": ({"queue": Q, "group": G}, [f"manage {Q}/{G}"]),
    "cancel_delayed": ({"destination": Q, "message_id": "m"}, [f"send {Q}"]),
    "reschedule_delayed": ({"destination": Q, "message_id": "m", "due_ms": 1}, [f"send {Q}"]),
    "list_delayed": ({"destination": Q, "maximum": 1}, [f"browse {Q}"]),
    "begin_backup": ({}, ["admin *"]),
    "read_backup": ({"backup_id": 1, "base_position": 0, "at": 0, "size": 1}, ["admin *"]),
    "end_backup": ({"backup_id": 1}, ["admin *"]),
    "create_schedule": (
        {"spec": Some(name="nightly", queue=Q), "replace": True},
        [f"manage {Q}", f"send {Q}", "manage sales://nightly"],
    ),
    "pause_schedule": ({"name": "nightly", "paused": True}, ["manage sales://nightly"]),
    "delete_schedule": ({"name": "nightly"}, ["manage sales://nightly"]),
    "create_route": ({"route": ROUTE, "start": "latest"}, [f"manage {Q}", f"browse {Q}", "send sales://copies"]),
    "delete_route": ({"name": "sales://r"}, ["manage sales://routed"]),
    "describe_route": ({"name": "sales://r"}, ["look sales://routed"]),
    "explain_route": ({"queue": Q, "message": b""}, [f"look {Q}"]),
    "begin_copy": (
        {"name": "c", "source": Q, "target": "sales://t", "bounds": [], "keep": True},
        [f"browse {Q}", "send sales://t", "browse sales://from", "send sales://to"],
    ),
    "advance_copy": ({"name": "c", "max_messages": 1}, ["browse sales://from", "send sales://to"]),
    "end_copy": ({"name": "c"}, ["browse sales://from", "send sales://to"]),
    "open_mailbox": ({"take": print, "serves": (Q, G)}, [f"receive {Q}/{G}"]),
    "post": ({"address": "service", "mail": None}, ["send sales://served"]),
}
LISTS: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    # operation: its arguments, what there is, and the grant that shows the first alone
    "list_transactions": ({}, [Some(destination=Q), Some(destination="b://x")], f"browse {Q}"),
    "list_namespaces": ({}, ["sales", "b"], f"look {Q}"),
    "list_queues": ({"namespace": "sales"}, [Q, "sales://x"], f"look {Q}"),
    "list_groups": ({}, [Some(queue=Q, name=G), Some(queue="b://x", name=G)], f"look {Q}"),
    "list_schedules": ({}, [Some(queue=Q), Some(queue="b://x")], f"look {Q}"),
    "list_routes": ({"namespace": "sales"}, [Some(route=ROUTE), Some(route=Some(source="b://x"))], f"look {Q}"),
    "list_copies": ({}, [Some(source=Q), Some(source="b://x")], f"look {Q}"),
    "services": ({}, [Some(queue=Q, group=G), Some(queue="b://x", group=G)], f"look {Q}"),
    "totals": ({}, [Some(name=Q), Some(name="b://x")], f"look {Q}"),
}
FREE = {"soon": "of this process alone", "close": "nothing is closed", "close_mailbox": "those one has opened",
        "has_mailbox": "the address is a secret"}  # fmt: skip


class Result:
    """A view, or a subscription."""

    id = 1
    ack = nack = reject = release = extend = flush = close = print


class Anything:
    """A driver that notes what it was asked, and knows where things with names belong."""

    capabilities: frozenset[str] = frozenset()
    max_body_bytes = 1

    def __init__(self, result: Any = None) -> None:
        self.called: list[str] = []
        self.result = result
        self.mailboxes = Some(has=lambda address: False)

    def queues_of(self, kind: str, name: str) -> list[str]:
        return {
            ("producer", "till"): ["sales://tills"],
            ("transaction", "t"): ["sales://prepared"],
            ("checks", "p"): ["sales://asked"],
            ("schedule", "nightly"): ["sales://nightly"],
            ("route", "sales://r"): ["sales://routed"],
            ("copy", "c"): ["sales://from", "sales://to"],
        }.get((kind, name), [])

    def __getattr__(self, name: str) -> Any:
        """Methods that wait where the SPI's do."""

        def call(*_: Any, **__: Any) -> Any:
            self.called.append(name)
            return self.result

        async def call_later(*_: Any, **__: Any) -> Any:
            return call()

        method = getattr(Served, name, None) or getattr(Mailboxes, name)
        return call_later if inspect.iscoroutinefunction(method) else call


def guarded(driver: Anything, grants: list[str]) -> Guard:
    openings = Openings()
    openings.note_view(7, "sales://seen")
    openings.mailboxes["service"] = "somebody", "sales://served"
    identity = Identity("alice", "token", [parse_grant(text) for text in grants])
    return Guard(driver, identity, openings, Audit(None, lambda: 0))


def do(guard: Guard, operation: str, arguments: dict[str, Any]) -> Any:
    async def work() -> Any:
        result = getattr(guard, operation)(**arguments)
        return await result if inspect.isawaitable(result) else result

    return asyncio.run(work())


def spi() -> set[str]:
    return {
        name
        for protocol in (Driver, Mailboxes, Served)
        for name, method in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    } - {"queues_of", "written"}  # nothing that a client can call


def test_every_operation_of_the_spi_stands_in_the_table() -> None:
    assert spi() == TABLE.keys()
    assert set(OPERATIONS) <= TABLE.keys()


def test_every_operation_of_the_table_is_tried_below() -> None:
    assert EXAMPLES.keys() | LISTS.keys() | FREE.keys() == TABLE.keys()


@pytest.mark.parametrize("operation", EXAMPLES)
def test_allowed_with_the_grants_it_needs(operation: str) -> None:
    arguments, grants = EXAMPLES[operation]
    driver = Anything(Result())
    do(guarded(driver, grants), operation, arguments)
    assert driver.called == [operation]


@pytest.mark.parametrize(
    ("operation", "missing"), [(name, grant) for name, (_, grants) in EXAMPLES.items() for grant in grants]
)
def test_forbidden_without_one_of_them(operation: str, missing: str) -> None:
    arguments, grants = EXAMPLES[operation]
    driver = Anything()
    action, _, resource = missing.partition(" ")
    others = [name for name in ("send", "receive", "browse", "look", "manage", "admin") if name != action]
    others = [name for name in others if action != "look"]  # which all others bring
    rest = [grant for grant in grants if grant != missing]
    if operation != "partition_count":  # for which any other will do
        rest += [f"{name} {resource}" for name in others if name != "admin"]
    with pytest.raises(OMSSecurityException, match="1403"):
        do(guarded(driver, rest), operation, arguments)
    assert driver.called == []


@pytest.mark.parametrize("operation", LISTS)
def test_lists_show_what_may_be_seen(operation: str) -> None:
    arguments, there, grant = LISTS[operation]
    assert do(guarded(Anything(there), [grant]), operation, arguments) == there[:1]
    assert do(guarded(Anything(there), []), operation, arguments) == []
    assert do(guarded(Anything(there), ["* *"]), operation, arguments) == there


def test_what_is_in_no_table_cannot_be_called() -> None:
    guard = guarded(Anything(), ["* *"])
    for name in ("runner", "_blocking", "queues_of", "drop_everything"):
        with pytest.raises(AttributeError):
            getattr(guard, name)


def test_a_name_that_belongs_nowhere_needs_the_right_anywhere() -> None:
    arguments = {"transaction_id": "unknown", "commit": True}
    do(guarded(Anything(), ["send a://b"]), "end_transaction", arguments)  # whose driver says that it is not there
    with pytest.raises(OMSSecurityException, match="has no right to send anything"):
        do(guarded(Anything(), ["browse a://b"]), "end_transaction", arguments)
