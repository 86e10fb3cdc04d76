"""Names of queues and namespaces: `<namespace>://<queue>`, or a bare queue name in the current namespace.

Source: specification 1.0.0, "namespace" and "queue"; the rules for single characters are this project's.
"""

from __future__ import annotations

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.headers import shown

DEFAULT_NAMESPACE = "default"
"""The namespace of a client that was given no other."""

MAX_NAME_BYTES = 255
"""Longest name of a namespace, queue or consumer group, in bytes of UTF-8."""
_BETWEEN = "://"


def full_name(text: str, namespace: str = DEFAULT_NAMESPACE) -> str:
    """The full name `<namespace>://<queue>` of a queue given by full or bare name; `namespace` is the current one.

    Raises OMSRuntimeException 1418 for an invalid name.
    """
    return _BETWEEN.join(split_name(text, namespace))


def split_name(text: str, namespace: str = DEFAULT_NAMESPACE) -> tuple[str, str]:
    """Namespace and queue of a full or bare queue name; `namespace` is the current one.

    Raises OMSRuntimeException 1418 for an invalid name.
    """
    if isinstance(text, str) and _BETWEEN in text:
        namespace, _, text = text.partition(_BETWEEN)
    return check_namespace(namespace), check_name(text, "queue")


def check_namespace(text: str) -> str:
    """A namespace's name: like `check_name`, and without a colon, which ends it in a full name and follows the region
    in a URL. Raises OMSRuntimeException 1418.
    """
    if isinstance(text, str) and ":" in text:
        raise _invalid("namespace", text, "it holds ':'")
    return check_name(text, "namespace")


def check_name(text: str, kind: str) -> str:
    """A name of a queue, namespace or consumer group (`kind` says which, for the error).

    Not empty, at most `MAX_NAME_BYTES` of UTF-8, printable, no blank at either end, neither `/` nor `\\`, not `.` or
    `..`: so no name can be taken for a path. Raises OMSRuntimeException 1418 with the kind as its field.
    """
    if not isinstance(text, str):
        raise _invalid(kind, text, f"it is a {type(text).__name__}, not a str")
    if why := why_invalid(text):
        raise _invalid(kind, text, why)
    return text


def why_invalid(text: str) -> str | None:
    """What is wrong with a name, None when it is valid."""
    if not text:
        return "it is empty"
    if not text.isprintable():
        return "it holds characters that are not printable"
    if "/" in text or "\\" in text or text in (".", ".."):
        return "it looks like a path"
    if text[0] == " " or text[-1] == " ":
        return "it begins or ends with a blank"
    if len(text) * 4 > MAX_NAME_BYTES and len(text.encode()) > MAX_NAME_BYTES:
        return f"it has {len(text.encode()):,} bytes, the limit is {MAX_NAME_BYTES}"
    return None


def _invalid(kind: str, text: object, why: str) -> OMSRuntimeException:
    return error(1418, f"{kind} {shown(text)} is no valid name: {why}", next_step="A right one is `orders`", field=kind)
