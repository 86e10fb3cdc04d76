"""Types, messages, batches, errors and the driver interface: what every other part of the library speaks."""

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import (
    OMSDestinationException,
    OMSMessageFormatException,
    OMSRuntimeException,
    OMSSecurityException,
    OMSTimeOutException,
    OMSTransactionException,
    OMSUnsupportException,
)
from openmessaging.model.headers import ExtensionHeader, Header
from openmessaging.model.json_form import from_json, to_json
from openmessaging.model.key_value import KeyValue, PropertyValue
from openmessaging.model.message import VERSION, Message

__all__ = [
    "VERSION",
    "AccessPoint",
    "ExtensionHeader",
    "Header",
    "KeyValue",
    "Message",
    "OMSDestinationException",
    "OMSMessageFormatException",
    "OMSRuntimeException",
    "OMSSecurityException",
    "OMSTimeOutException",
    "OMSTransactionException",
    "OMSUnsupportException",
    "PropertyValue",
    "from_json",
    "to_json",
]
