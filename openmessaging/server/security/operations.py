"""What each operation of the driver SPI needs: the action, and the resource as its arguments say it. An operation that
does not stand here cannot be called by a user; a test fails until a new one does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from openmessaging.model.destination import DEFAULT_NAMESPACE, full_name
from openmessaging.server.security.grants import Action

SEND, RECEIVE, BROWSE, LOOK = Action.SEND, Action.RECEIVE, Action.BROWSE, Action.LOOK
MANAGE, USE = Action.MANAGE, Action.USE
ANYWHERE = "anywhere"
"""In place of a resource: some resource, whichever."""

Need = tuple[int, str]
"""An action and a resource, as `grants.allowed` takes them."""
Look = Callable[[str, Any], Sequence[str]]
"""Queues (full names) that something known by a name of its own belongs to: kind and name, as `Guard.look` knows."""
Given = dict[str, Any]
"""Arguments by name, defaults filled in."""


class Rule(NamedTuple):
    """One operation."""

    needs: Callable[[Look, Given], Iterable[Need]]
    """All of them must be allowed."""
    keep: tuple[int, Callable[[Any], str]] | None = None
    """Of a list that it returns, what stays: the action and the resource of an item."""
    audited: bool = False
    """Whether each call is told to the audit log, and not only the first of an identity for a resource."""


def _on(action: int, name: str = "destination", *, audited: bool = False) -> Rule:
    """A queue in an argument."""
    return Rule(lambda _, given: [(action, given[name])], audited=audited)


def _on_group(action: int, *, audited: bool = False) -> Rule:
    return Rule(lambda _, given: [(action, f"{given['queue']}/{given['group']}")], audited=audited)


def _on_namespace(action: int, name: str, *, audited: bool = False) -> Rule:
    return Rule(lambda _, given: [(action, f"{given[name]}://")], audited=audited)


def _on_named(action: int, kind: str, name: str, *, audited: bool = False) -> Rule:
    """All queues of something that has a name of its own; anywhere, when it is not there."""
    return Rule(lambda look, given: _all(action, look(kind, given[name])), audited=audited)


def _all(action: int, queues: Sequence[str]) -> list[Need]:
    return [(action, queue) for queue in queues] or [(action, ANYWHERE)]


def _server(_: Look, __: Given) -> list[Need]:
    return [(Action.ADMIN, "")]


def _free(_: Look, __: Given) -> list[Need]:
    return []


def _settings(_: Look, given: Given) -> list[Need]:
    """A queue's settings may name another queue, to which it then sends."""
    queue, other = given["name"], given["config"].get("expired_queue")
    needs: list[Need] = [(MANAGE, queue)]
    if isinstance(other, str) and other:
        needs.append((SEND, full_name(other, str(queue).partition("://")[0] or DEFAULT_NAMESPACE)))
    return needs


def _copy(look: Look, given: Given) -> list[Need]:
    queues = look("copy", given["name"])
    return [(BROWSE, queues[0]), (SEND, queues[1])] if queues else [(BROWSE, ANYWHERE)]


def _begin_copy(look: Look, given: Given) -> list[Need]:
    there = _copy(look, given) if look("copy", given["name"]) else []
    return [(BROWSE, given["source"]), (SEND, given["target"]), *there]


def _route(_: Look, given: Given) -> list[Need]:
    """It goes on when its maker is gone, so it takes more than sending and browsing."""
    route = given["route"]
    return [(MANAGE, route.source), (BROWSE, route.source), *((SEND, target) for target in route.targets)]


def _schedule(look: Look, given: Given) -> list[Need]:
    queue = given["spec"].queue
    there = [(MANAGE, each) for each in look("schedule", given["spec"].name)]
    return [(MANAGE, queue), (SEND, queue), *there]


def _open_mailbox(_: Look, given: Given) -> list[Need]:
    serves = given["serves"]
    return [(RECEIVE, f"{serves[0]}/{serves[1]}")] if serves else [(SEND, ANYWHERE)]


def _post(look: Look, given: Given) -> list[Need]:
    """To a service: who may send it requests. To a requester, whose address stands in a request alone: who receives."""
    served = look("mailbox", given["address"])
    return [(SEND, served[0])] if served else [(RECEIVE, ANYWHERE)]


TABLE: dict[str, Rule] = {
    # sending
    "send": Rule(lambda _, given: [(SEND, each.destination) for each in given["batches"]]),
    "commit": Rule(lambda _, given: [(SEND, each.destination) for each in given["batches"]]),
    "submit": Rule(lambda _, given: [(SEND, given["batch"].destination)]),
    "ask": Rule(lambda _, given: [(SEND, given["batch"].destination)]),
    "send_now": Rule(lambda _, given: [(SEND, given["batch"].destination)]),
    "find_sent": Rule(lambda _, given: [(SEND, given["batch"].destination)]),
    "hand_over": Rule(lambda _, given: [(SEND, given["handed"].destination)]),
    "soon": Rule(_free),
    "partition_count": _on(USE),
    "open_producer": _on_named(SEND, "producer", "name"),
    # transactions
    "prepare": Rule(lambda _, given: [(SEND, given["preparation"].batch.destination)]),
    "end_transaction": _on_named(SEND, "transaction", "transaction_id"),
    "check_transactions": _on_named(SEND, "checks", "producer"),
    "list_transactions": Rule(_free, keep=(BROWSE, lambda each: each.destination)),
    # receiving and reading
    "subscribe": Rule(lambda _, given: [(RECEIVE, f"{given['spec'].destination}/{given['spec'].group}")]),
    "read": _on(BROWSE),
    "read_before": _on(BROWSE),
    "find_time": _on(BROWSE),
    "peek": _on_group(BROWSE),
    "open_view": _on(BROWSE),
    "renew_view": _on_named(BROWSE, "view", "view_id"),
    "close_view": _on_named(BROWSE, "view", "view_id"),
    # namespaces, queues, groups
    "create_namespace": _on_namespace(MANAGE, "name", audited=True),
    "delete_namespace": _on_namespace(MANAGE, "name", audited=True),
    "list_namespaces": Rule(_free, keep=(LOOK, lambda each: f"{each}://")),
    "create_queue": Rule(_settings, audited=True),
    "update_queue": Rule(_settings, audited=True),
    "delete_queue": _on(MANAGE, "name", audited=True),
    "purge_queue": _on(MANAGE, "name", audited=True),
    "list_queues": Rule(_free, keep=(LOOK, str)),
    "describe_queue": _on(LOOK, "name"),
    "totals": Rule(_free, keep=(LOOK, lambda each: each.name)),
    "list_groups": Rule(_free, keep=(LOOK, lambda each: f"{each.queue}/{each.name}")),
    "describe_group": _on_group(LOOK),
    "seek_group": _on_group(MANAGE, audited=True),
    "delete_group": _on_group(MANAGE, audited=True),
    # delays and schedules
    "cancel_delayed": _on(SEND, audited=True),
    "reschedule_delayed": _on(SEND, audited=True),
    "list_delayed": _on(BROWSE),
    "create_schedule": Rule(_schedule, audited=True),
    "list_schedules": Rule(_free, keep=(LOOK, lambda each: each.queue)),
    "pause_schedule": _on_named(MANAGE, "schedule", "name", audited=True),
    "delete_schedule": _on_named(MANAGE, "schedule", "name", audited=True),
    # routes and copies
    "create_route": Rule(_route, audited=True),
    "delete_route": _on_named(MANAGE, "route", "name", audited=True),
    "list_routes": Rule(_free, keep=(LOOK, lambda each: each.route.source)),
    "describe_route": _on_named(LOOK, "route", "name"),
    "explain_route": _on(LOOK, "queue"),
    "begin_copy": Rule(_begin_copy, audited=True),
    "advance_copy": Rule(_copy),
    "list_copies": Rule(_free, keep=(LOOK, lambda each: each.source)),
    "end_copy": Rule(_copy, audited=True),
    # backups
    "begin_backup": Rule(_server, audited=True),
    "read_backup": Rule(_server),
    "end_backup": Rule(_server),
    # requests and answers
    "open_mailbox": Rule(_open_mailbox),
    "close_mailbox": Rule(_free),  # the guard closes those alone that it opened
    "post": Rule(_post),
    "has_mailbox": Rule(_free),
    "services": Rule(_free, keep=(LOOK, lambda each: f"{each.queue}/{each.group}")),
    "close": Rule(_free),  # a user's driver ends; what is served stays open
}
