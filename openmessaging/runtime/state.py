"""States of a service (producer, consumer, access point). Source: runtime interface, "service lifecycle"."""

from __future__ import annotations

from enum import StrEnum

from openmessaging.model.errors import OMSRuntimeException, error


class ServiceState(StrEnum):
    """Where a service is in its life; STOPPED may be started again."""

    INITIALIZED = "initialized"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"


class TransactionState(StrEnum):
    """Where a transaction is in its life."""

    OPEN = "open"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    """Its commit raised: nothing was done, or, when the error is `indefinite`, nobody knows."""


def not_started(what: str, state: ServiceState) -> OMSRuntimeException:
    """The error (1503) for a call outside STARTED."""
    return error(1503, f"the {what} is {state}, not started", next_step="Use `with`, or call start() first")
