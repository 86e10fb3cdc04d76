"""What a request shows of who sent it: `Authorization: Basic` with account and key, or `Bearer` with a token or a JWT,
and the certificate of its connection."""

from __future__ import annotations

import base64

from openmessaging.model.errors import error
from openmessaging.server.http.request import Request
from openmessaging.server.security import Credentials
from openmessaging.server.security.identity import subject_of


def shown(request: Request) -> Credentials:
    """Its credentials. Raises OMSSecurityException 1401 for a header that cannot be read."""
    account = key = ""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        key = value.strip()
    elif scheme.lower() == "basic":
        try:
            account, _, key = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except ValueError as cause:
            raise error(1401, "the header Authorization cannot be read") from cause
    elif scheme:
        raise error(1401, "an unknown kind of Authorization", next_step="Send Basic or Bearer")
    return Credentials(account, key, subject_of(request.peer), request.client, request.scheme == "https")
