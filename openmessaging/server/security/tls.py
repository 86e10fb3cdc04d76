"""TLS of a server: certificates that are read again when their files change, without dropping a connection.

A listener keeps one context for its life. Each handshake is passed on to the newest one, so that other certificates and
other authorities hold for whoever connects from then on.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence

from openmessaging.model.errors import error
from openmessaging.server.security.config import TlsConfig


class Tls:
    """The context of one listener.

    Args:
        config: the section `[tls]`.
        alpn: protocols that are offered within TLS.

    Raises OMSRuntimeException 1418 for files that cannot be read.
    """

    def __init__(self, config: TlsConfig, alpn: Sequence[str] = ()) -> None:
        self._config = config
        self._alpn = list(alpn)
        self._files = [each for each in (config.certificate, config.key, config.client_authority) if each]
        self._seen = self._stamps()
        self.context = self._newest = self._read()
        """For the listener."""
        self.context.sni_callback = self._choose

    def reload(self) -> bool:
        """Read the files again if they have changed; whether they had. Raises as the constructor; what was read before
        then stays in use, and is not complained about again until the files change once more."""
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        self._seen = stamps
        self._newest = self._read()
        return True

    def _choose(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _read(self) -> ssl.SSLContext:
        config = self._config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.num_tickets = 0  # a session that goes on would not show its certificate again
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        try:
            context.load_cert_chain(config.certificate, config.key or None, _no_password)
            if config.client_authority:
                context.load_verify_locations(config.client_authority)
                context.verify_mode = ssl.CERT_REQUIRED if config.client == "required" else ssl.CERT_OPTIONAL
        except (OSError, ssl.SSLError) as failure:
            reason = getattr(failure, "strerror", None) or str(failure)
            step = "Give PEM files that this user can read, whose key belongs to the certificate"
            raise error(1418, f"tls: {', '.join(self._files)}: {reason}", next_step=step, field="tls") from failure
        return context

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [stamp(each) for each in self._files]


def stamp(path: str) -> tuple[int, int, int] | None:
    """What changes when a file does; None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _no_password() -> str:
    """Asked for when a key is encrypted: nobody is there to type."""
    raise error(1418, "tls: the key is encrypted", next_step="Give it without a password, readable by this user alone")
