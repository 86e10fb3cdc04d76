"""The sections `[security]` and `[tls]` of the server's configuration."""

from __future__ import annotations

from typing import Literal

import msgspec


class SecurityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may use the server. Users, roles and tokens stand in a file of their own, see `oms user`."""

    users: str = ""
    """The file of users; empty: `users.json` in the store's directory."""
    audit: str = ""
    """A file for the audit log; empty: the logger `openmessaging.audit` has it."""
    allow_cleartext: bool = False
    """Whether keys are taken over connections from other machines without TLS, as behind a proxy that has it."""
    jwt_issuer: str = ""
    """`iss` of the JWTs that are taken as keys, as `https://login.example.org/`; empty: none is."""
    jwt_audience: str = "openmessaging"
    """What must stand in `aud`."""
    jwt_keys: str = ""
    """The issuer's public keys (JWKS): a file, or an https address (http on this machine); empty: the issuer is
    asked for the address at `/.well-known/openid-configuration`."""
    jwt_user: str = "sub"
    """The claim that names the user; a user with the subject `jwt:NAME` has its own grants besides those of roles."""
    jwt_roles: str = "roles"
    """The claim that lists roles; `a.b` is `b` within `a`."""
    jwt_role_names: dict[str, str] = {}
    """Which role a name in that claim stands for; names that do not stand here count for nothing."""


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates, as PEM files. They are read again when they change; connections go on."""

    certificate: str = ""
    """The server's certificate, with those between it and its authority; empty: there is no TLS."""
    key: str = ""
    """The private key; empty: it stands in the file of the certificate."""
    client_authority: str = ""
    """Certificates of the authorities for clients' certificates: who shows one is the user with its subject."""
    client: Literal["optional", "required"] = "required"
    """With a `client_authority`: whether a client must show a certificate to connect."""
