"""Transactional outbox: a message written into a database in its transaction leaves only if that commits.

`openmessaging.app.outbox.sqlalchemy` and `openmessaging.app.outbox.django` hold the rows; `relay` sends them.
"""

from openmessaging.app.outbox.relay import Outbox, OutboxRow, Relay

__all__ = ["Outbox", "OutboxRow", "Relay"]
