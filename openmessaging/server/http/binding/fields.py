"""What a request of the static binding asks for, by its fields."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from openmessaging.model.destination import DEFAULT_NAMESPACE, check_name, full_name
from openmessaging.model.errors import bad_format
from openmessaging.model.headers import shown
from openmessaging.model.http_headers import VERSION_FIELD
from openmessaging.model.json_form import check_version
from openmessaging.model.percent import decode

DESTINATION = "x-oms-h-destination"
CONSUMER = "x-oms-consumerid"
SOURCE = "x-oms-source"
ACK = "x-oms-ack"
WAIT = "x-oms-waitmills"
CALLBACK = "x-oms-callbackurl"
RECEIPT = "x-oms-receipt"
SETTLE = "x-oms-settle"
DELAY = "x-oms-delaymills"
REASON = "x-oms-reason"
MAX_WAIT_MS = (1 << 31) - 1


class Kind(Enum):
    """What is asked for."""

    PRODUCE = DESTINATION
    CONSUME = SOURCE
    CALLBACK = CALLBACK
    SETTLE = RECEIPT


def kind_of(headers: Mapping[str, str]) -> Kind:
    """What a request asks for. Raises OMSMessageFormatException 1400 when that is nothing, or two things;
    OMSUnsupportException 1101 for another version."""
    check_version(headers.get(VERSION_FIELD), VERSION_FIELD)
    producing = DESTINATION in headers or headers.get("content-type", "").lower().startswith("application/cloudevents")
    producing = producing or ("ce-omsdestination" in headers)
    consuming = next((name for name in (RECEIPT, CALLBACK, SOURCE, CONSUMER) if name in headers), None)
    if consuming is None:
        if not producing:
            step = f"Send {DESTINATION} to produce, {CONSUMER} and {SOURCE} to consume"
            raise bad_format(DESTINATION, "it is required", next_step=step)
        return Kind.PRODUCE
    if DESTINATION in headers:
        raise bad_format(DESTINATION, f"it stands beside {consuming}", next_step="Produce and consume are two requests")
    return Kind.CONSUME if consuming == CONSUMER else Kind(consuming)


def text(headers: Mapping[str, str], name: str) -> str | None:
    """The text of a field, decoded; None when it is not there or empty. Raises OMSMessageFormatException 1400."""
    raw = headers.get(name)
    return decode(name, raw.strip()) or None if raw is not None else None


def group(headers: Mapping[str, str]) -> str:
    """The consumer group. Raises OMSMessageFormatException 1400 when it is missing, OMSRuntimeException 1418."""
    name = text(headers, CONSUMER)
    if name is None:
        raise bad_format(CONSUMER, "it is required", next_step="Name the consumer group")
    return check_name(name, CONSUMER)


def source(headers: Mapping[str, str]) -> str:
    """The full name of the queue. Raises as `group`."""
    name = text(headers, SOURCE)
    if name is None:
        raise bad_format(SOURCE, "it is required", next_step="Name the queue")
    return full_name(name, DEFAULT_NAMESPACE)


def flag(headers: Mapping[str, str], name: str) -> bool:
    """Whether a field says `true`; without it, false. Raises OMSMessageFormatException 1400 for anything else."""
    found = (text(headers, name) or "false").lower()
    if found not in ("true", "false"):
        raise bad_format(name, f"true or false wanted, not {shown(found)}")
    return found == "true"


def seconds(headers: Mapping[str, str], name: str) -> float | None:
    """A field of milliseconds, as seconds. Raises OMSMessageFormatException 1400."""
    found = text(headers, name)
    if found is None:
        return None
    if not found.isascii() or not found.isdigit() or len(found) > 10 or int(found) > MAX_WAIT_MS:
        raise bad_format(name, f"milliseconds from 0 to {MAX_WAIT_MS} wanted, not {shown(found)}")
    return int(found) / 1000
