"""`oms transaction`."""

from __future__ import annotations

import click

from openmessaging.cli.line import to_line
from openmessaging.cli.options import connected, store_options
from openmessaging.cli.output import as_time, print_json, print_table
from openmessaging.runtime.threads.prepared import stored_message


@click.group("transaction")
def command() -> None:
    """Look at prepared messages, and decide on those whose producer does not."""


@command.command("list")
@store_options
def list_transactions(url: str | None, as_json: bool) -> None:
    """List prepared messages without a decision, the oldest first."""
    with connected(url) as access_point:
        found = access_point.resource_manager().list_transactions()
    if as_json:
        for each in found:
            facts = {"producer": each.producer, "preparedTimestamp": each.prepared_ms, "checks": each.checks}
            facts |= {"nextCheckTimestamp": each.next_check_ms, "message": to_line(stored_message(each))}
            print_json({"transactionId": each.transaction_id, "queue": each.destination, **facts})
        return
    rows = [
        (
            each.transaction_id,
            each.destination,
            each.producer,
            as_time(each.prepared_ms),
            each.checks,
            as_time(each.next_check_ms),
        )
        for each in found
    ]
    print_table(("transaction id", "queue", "producer", "prepared", "checks", "next check"), rows)


@command.command("commit")
@click.argument("transaction_id")
@store_options
def commit(transaction_id: str, url: str | None, as_json: bool) -> None:
    """Deliver the message that was prepared under TRANSACTION_ID."""
    _end(transaction_id, url, as_json, commit=True)


@command.command("rollback")
@click.argument("transaction_id")
@store_options
def rollback(transaction_id: str, url: str | None, as_json: bool) -> None:
    """Drop the message that was prepared under TRANSACTION_ID."""
    _end(transaction_id, url, as_json, commit=False)


def _end(transaction_id: str, url: str | None, as_json: bool, *, commit: bool) -> None:
    with connected(url) as access_point:
        access_point.resource_manager().end_transaction(transaction_id, commit=commit)
    if as_json:
        print_json({"transactionId": transaction_id, "committed": commit})
    else:
        print(f"{transaction_id} is {'committed' if commit else 'rolled back'}")
