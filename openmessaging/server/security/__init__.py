"""Who may do what on a server: users, tokens and certificates, grants, quotas, and a log of it.

`Security.authenticate` says who a client is, `Security.guard` gives it a driver that checks. Why it is so:
docs/design/security.md.
"""

from openmessaging.server.security.config import SecurityConfig, TlsConfig
from openmessaging.server.security.grants import Action
from openmessaging.server.security.identity import Credentials, Identity
from openmessaging.server.security.quotas import Quota
from openmessaging.server.security.security import Security

__all__ = ["Action", "Credentials", "Identity", "Quota", "Security", "SecurityConfig", "TlsConfig"]
