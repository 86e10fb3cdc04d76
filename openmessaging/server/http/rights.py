"""What a client may do that is no operation of the driver: asked of the node's security, where it has one."""

from __future__ import annotations

from openmessaging.server.http.request import Request
from openmessaging.server.security import Action


def require(request: Request, action: Action, operation: str) -> None:
    """Check a right on the whole server. Raises OMSSecurityException 1403."""
    request.app.node.security.require(request.identity, action, operation=operation)
