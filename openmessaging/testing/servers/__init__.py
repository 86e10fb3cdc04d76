"""Real messaging systems on this machine, for tests and trials: started on loopback, ended by their process ids."""

from openmessaging.testing.servers.server import Missing, Server, free_port

__all__ = ["Missing", "Server", "free_port"]
