"""The operations of CALL: the methods of the driver SPI, their arguments in order, by name.

Their types are read from the SPI's own annotations, so that both ends and the interface cannot differ.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable
from typing import Any

import msgspec

from openmessaging.model.errors import error
from openmessaging.model.mail import Mailboxes
from openmessaging.model.spi import Driver
from openmessaging.wire.frames import ProtocolError

READS = (
    "check_transactions", "describe_group", "describe_queue", "describe_route", "explain_route", "find_time",
    "has_mailbox", "list_copies", "list_delayed", "list_groups", "list_namespaces", "list_queues", "list_routes",
    "list_schedules", "list_transactions", "partition_count", "peek", "read", "read_backup", "read_before",
    "renew_view", "services",
)  # fmt: skip
"""Operations that change nothing, or nothing that lasts."""
WRITES = (
    "advance_copy", "begin_backup", "begin_copy", "cancel_delayed", "close_view", "create_namespace", "create_queue",
    "create_route", "create_schedule", "delete_group", "delete_namespace", "delete_queue", "delete_route",
    "delete_schedule", "end_backup", "end_copy", "end_transaction", "open_producer", "open_view", "pause_schedule",
    "post", "prepare", "purge_queue", "reschedule_delayed", "seek_group", "update_queue",
)  # fmt: skip
OPERATIONS = READS + WRITES
REPEATABLE = frozenset(READS) | {
    "advance_copy", "begin_copy", "close_view", "end_transaction", "open_producer", "open_view", "pause_schedule",
    "post", "reschedule_delayed", "seek_group", "update_queue",
}  # fmt: skip
"""Operations that may be asked again after a connection broke: they come to the same the second time. (Mail that comes
twice is dropped: a call has one outcome, and items of a stream have numbers.)"""
DONE_BEFORE: dict[str, tuple[int, str | None]] = {
    "create_namespace": (1407, None), "create_queue": (1406, None), "create_route": (1406, None),
    "delete_group": (1404, None), "delete_namespace": (1405, None), "delete_queue": (1404, None),
    "delete_route": (1404, None), "delete_schedule": (1404, None), "end_copy": (1404, None),
    "prepare": (1418, "transactionId"),
}  # fmt: skip
"""Operations without a result that are refused the second time, each with the code and the field of that refusal."""


class Operation:
    """One operation: how its arguments and its result are read."""

    def __init__(self, name: str) -> None:
        self.name = name
        method = getattr(Driver, name, None) or getattr(Mailboxes, name)
        hints = typing.get_type_hints(method, _scope())
        result = _awaited(hints.pop("return"))
        fields: list[Any] = []
        for each in inspect.signature(method).parameters.values():
            if each.name != "self":
                default = () if each.default is each.empty else (each.default,)
                fields.append((each.name, hints[each.name], *default))
        arguments = msgspec.defstruct(f"{name}_arguments", fields, array_like=True, forbid_unknown_fields=True)
        self._arguments: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(arguments)
        self._result: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(result)

    def read_arguments(self, data: bytes | msgspec.Raw) -> tuple[Any, ...]:
        """The arguments, defaults filled in. Raises OMSRuntimeException 1418 when they are not the operation's."""
        try:
            return msgspec.structs.astuple(self._arguments.decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
            raise error(1418, f"{self.name}: {cause}", field="arguments") from cause

    def read_result(self, data: bytes | msgspec.Raw) -> Any:
        """The result. Raises ProtocolError when it is not the operation's."""
        try:
            return self._result.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
            raise ProtocolError(f"the result of {self.name}: {cause}") from cause


_known: dict[str, Operation] = {}


def operation(name: str) -> Operation:
    """An operation by its name. Raises OMSRuntimeException 1418 for one that is not there."""
    found = _known.get(name)
    if found is None:
        if name not in OPERATIONS:
            step = "This server is older than its client, or the name is wrong"
            raise error(1418, f"there is no operation {name!r}", next_step=step, field="operation")
        found = _known[name] = Operation(name)
    return found


def _scope() -> dict[str, Any]:
    """The names that the SPI's annotations use, those for type checkers only included."""
    from openmessaging.model import backup, mail, replay, routing, schedule, spi, transaction

    scope: dict[str, Any] = {}
    for module in (backup, replay, routing, schedule, mail, transaction, spi):
        scope.update(vars(module))
    return scope


def _awaited(hint: Any) -> Any:
    """`T` of `T | Awaitable[T]`."""
    members = [each for each in typing.get_args(hint) if typing.get_origin(each) is not Awaitable]
    if members and len(members) < len(typing.get_args(hint)):
        return members[0]
    return hint
