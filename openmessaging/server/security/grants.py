"""Grants: who may do what with which queues and groups.

A grant is written `ACTIONS RESOURCE`, as `send,receive sales://orders*` or `receive sales://orders/kitchen`. Actions
are those of `Action` with commas between, or `*` for all. A resource is `namespace://queue`, perhaps with `/group`,
where `*` stands for any characters of a name; `*` alone is everything. Without a group, a grant holds for all groups
of its queues; `sales://*` holds for the namespace itself too. What is not granted is forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntFlag
from functools import cache

import msgspec

from openmessaging.model.errors import error


class Action(IntFlag):
    """What can be granted; the last follows from others."""

    SEND = 1
    """Store messages, also delayed ones and prepared ones, and take one's delayed messages back."""
    RECEIVE = 2
    """Take messages as a consumer group, settle them, answer requests."""
    BROWSE = 4
    """Read messages without taking them."""
    LOOK = 8
    """See that queues and groups are there, how large they are, and how they are set. Any other action brings it."""
    MANAGE = 16
    """Create, change, purge and delete; move groups; routes, schedules and copies."""
    ADMIN = 32
    """What belongs to the server: its users, connections and settings. Only on `*`."""
    USE = 64
    """Any of send, receive, browse and manage, be it for one group alone."""


GRANTABLE = {each.name.lower(): each for each in Action if each is not Action.USE and each.name}
_ALL = Action(sum(GRANTABLE.values()))
_USES = Action.SEND | Action.RECEIVE | Action.BROWSE | Action.MANAGE
_EXAMPLE = "A right one is `send,receive sales://orders*`"


class Grant(msgspec.Struct, frozen=True):
    """A grant, read."""

    actions: int
    whole: bool
    """Holds for everything, and for the server itself."""
    namespace: re.Pattern[str]
    queue: re.Pattern[str]
    all_queues: bool
    group: re.Pattern[str] | None

    def mask(self, namespace: str, queue: str, group: str | None) -> int:
        """Which actions it allows on a queue, on a group, or (without a queue) on a namespace."""
        if not self.whole and not self.namespace.fullmatch(namespace):
            return 0
        if not queue:
            return (self.actions if self.all_queues and self.group is None else 0) | Action.LOOK
        if not self.queue.fullmatch(queue):
            return 0
        used = Action.USE if self.actions & _USES else 0
        if self.group is not None and (group is None or not self.group.fullmatch(group)):
            return Action.LOOK | used
        return self.actions | Action.LOOK | used


@cache
def parse_grant(text: str) -> Grant:
    """A grant as it is written. Raises OMSRuntimeException 1418 with a right example."""
    actions, _, resource = text.partition(" ")
    resource = resource.strip()
    mask = 0
    for name in actions.split(","):
        if name != "*" and name not in GRANTABLE:
            allowed = ", ".join(GRANTABLE)
            raise error(1418, f"{name!r} is no action: there are {allowed} and *", next_step=_EXAMPLE, field="grant")
        mask |= _ALL if name == "*" else GRANTABLE[name]
    if resource == "*":
        return Grant(mask, True, _pattern("*"), _pattern("*"), True, None)
    namespace, between, rest = resource.partition("://")
    queue, slash, group = rest.partition("/")
    if not namespace or not between or not queue or "/" in group or bool(slash) != bool(group):
        what = f"{resource!r} is neither namespace://queue nor namespace://queue/group nor *"
        raise error(1418, what, next_step=_EXAMPLE, field="grant")
    if mask == Action.ADMIN:
        raise error(1418, "admin is for the whole server", next_step="Write it `admin *`", field="grant")
    return Grant(
        mask & ~Action.ADMIN,
        False,
        _pattern(namespace),
        _pattern(queue),
        queue == "*",
        _pattern(group) if group else None,
    )


def allowed(grants: Iterable[Grant], resource: str) -> int:
    """Which actions grants allow on `namespace://queue`, `namespace://queue/group`, `namespace://` or, empty, on the
    server."""
    namespace, between, rest = resource.partition("://")
    queue, slash, group = rest.partition("/")
    mask = 0
    for grant in grants:
        if between and namespace:
            mask |= grant.mask(namespace, queue, group if slash else None) & ~Action.ADMIN
        elif not resource and grant.whole:
            mask |= grant.actions
    return mask


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
