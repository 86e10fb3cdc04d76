"""The broker on the network: the native protocol over TCP, TLS and Unix sockets, on any driver."""

from openmessaging.server.server import Server
from openmessaging.server.settings import Limits

__all__ = ["Limits", "Server"]
