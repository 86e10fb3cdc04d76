"""Settling messages as a client asks for it, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import Subscription
from openmessaging.wire import Refusal, Verb
from openmessaging.wire.bodies import Step


def settle(subscription: Subscription, steps: Sequence[Step]) -> list[tuple[int, Refusal]]:
    """Do the steps in order; those that came too late, each with its place and why."""
    failures: list[tuple[int, Refusal]] = []
    for place, step in enumerate(steps):
        try:
            _settle(subscription, step)
        except OMSRuntimeException as failure:
            failures.append((place, Refusal.of(failure)))
    return failures


def _settle(subscription: Subscription, step: Step) -> None:
    match step.verb:
        case Verb.ACK:
            subscription.ack(step.lease_id, step.offsets)
        case Verb.NACK:
            subscription.nack(step.lease_id, step.offsets, step.seconds, step.reason)
        case Verb.REJECT:
            subscription.reject(step.lease_id, step.offsets, step.reason)
        case Verb.RELEASE:
            subscription.release(step.lease_id, step.offsets)
        case Verb.EXTEND if step.seconds is not None:
            subscription.extend(step.lease_id, step.seconds)
        case _:
            raise error(1418, f"there is no settlement {step.verb}", field="verb")
