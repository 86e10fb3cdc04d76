"""What systemd wants to know of a service: datagrams to the socket in NOTIFY_SOCKET.

Source: sd_notify(3) and systemd.service(5), `Type=notify`, `WatchdogSec=`.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger("openmessaging.server")


class Notifier:
    """Tells the service manager; does nothing where there is none.

    Args:
        environment: variables of this process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")
        pid = environment.get("WATCHDOG_PID", "")
        meant = not pid or pid == str(os.getpid())
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog = int(usec) / 1e6 if self._path and meant and usec.isdecimal() else None
        """Seconds within which `alive` is expected; None without a watchdog."""

    def ready(self, status: str) -> None:
        """It is up."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """It is ending."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def alive(self) -> None:
        """Feed the watchdog, if there is one."""
        if self.watchdog is not None:
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._path:
            return
        path = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
                to.setblocking(False)
                to.sendto(text.encode(), path)
        except OSError as cause:
            logger.warning("the service manager was not told %r: %s", text.partition("\n")[0], cause)
